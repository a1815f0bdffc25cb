using System.Buffers;
using System.Text;

namespace RunnerVm.Sources.GitLab.Traces;

/// <summary>
/// Hides what follows the well-known beginnings of tokens (<c>glpat-</c> and its kin) and the sensitive parameters of
/// URLs, whoever wrote them into the log: these are not the job's secrets, so no list of values knows them.
/// </summary>
internal sealed class KnownTokens
{
    /// <summary>The server names prefixes too; it has no reason to name more.</summary>
    private const int MostFromServer = 50;

    private const int LongestFromServer = 64;

    private static readonly string[] Prefixes =
    [
        "glpat-", "gloas-", "gldt-", "glrt-", "glcbt-", "glrtr-", "glptt-", "glft-", "glimt-", "glagent-", "glsoat-", "glffct-", "_gitlab_session=", "gltok-",
    ];

    private static readonly string[] Parameters =
        ["private_token", "authenticity_token", "rss_token", "x-amz-signature", "x-amz-credential", "x-amz-security-token"];

    private static readonly SearchValues<byte> TokenBytes =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._=-"u8);

    private readonly Beginning[] _beginnings;
    private readonly SearchValues<byte> _firstBytes;
    private readonly ArrayBufferWriter<byte> _input = new();
    private Beginning? _hiding;

    /// <param name="fromServer">The payload's <c>features.token_mask_prefixes</c>.</param>
    public KnownTokens(IEnumerable<string> fromServer)
    {
        var named = fromServer.Where(static p => p.Length is > 0 and <= LongestFromServer).Take(MostFromServer);
        _beginnings =
        [
            .. Prefixes.Concat(named).Distinct().OrderByDescending(static p => p.Length).Select(static p => new Beginning(Encoding.UTF8.GetBytes(p), false)),
            .. Parameters.SelectMany(static p => new[] { $"?{p}=", $"&{p}=" }).Select(static p => new Beginning(Encoding.ASCII.GetBytes(p), true)),
        ];
        _firstBytes = SearchValues.Create([.. _beginnings.Select(static b => b.Text[0]).Distinct()]);
    }

    private static ReadOnlySpan<byte> Masked => "[MASKED]"u8;

    public void Write(ReadOnlySpan<byte> chunk, IBufferWriter<byte> masked)
    {
        if (_input.WrittenCount > 0)
        {
            _input.Write(chunk);
            chunk = _input.WrittenSpan.ToArray();
            _input.ResetWrittenCount();
        }

        while (chunk.Length > 0)
        {
            if (_hiding is { } hiding)
            {
                var end = hiding.EndOfValue(chunk);
                if (end == chunk.Length) return;
                chunk = chunk[end..];
                _hiding = null;
            }

            chunk = Search(chunk, masked);
        }
    }

    /// <summary>The stream is over: shows the beginning of a token that never came.</summary>
    public void Complete(IBufferWriter<byte> masked)
    {
        masked.Write(_input.WrittenSpan);
        _input.ResetWrittenCount();
        _hiding = null;
    }

    /// <returns>What stands behind a token's beginning; nothing when the chunk is used up.</returns>
    private ReadOnlySpan<byte> Search(ReadOnlySpan<byte> chunk, IBufferWriter<byte> masked)
    {
        for (var at = 0; ; at++)
        {
            var step = chunk[at..].IndexOfAny(_firstBytes);
            if (step < 0)
            {
                masked.Write(chunk);
                return default;
            }

            at += step;
            var (found, open) = Find(chunk[at..]);
            if (found is not null)
            {
                masked.Write(chunk[..(at + found.Text.Length)]);
                masked.Write(Masked);
                _hiding = found;
                return chunk[(at + found.Text.Length)..];
            }

            if (!open) continue;
            masked.Write(chunk[..at]);
            _input.Write(chunk[at..]);
            return default;
        }
    }

    /// <summary>Which token begins here, with at least one byte of its value; or whether the next chunk may say so.</summary>
    private (Beginning? Found, bool Open) Find(ReadOnlySpan<byte> text)
    {
        var open = false;
        foreach (var beginning in _beginnings)
        {
            var common = Math.Min(text.Length, beginning.Text.Length);
            if (!beginning.Matches(text[..common])) continue;
            if (text.Length <= beginning.Text.Length) open = true;
            else if (beginning.EndOfValue(text[beginning.Text.Length..]) > 0) return (beginning, false);
        }

        return (null, open);
    }

    private sealed record Beginning(byte[] Text, bool IsParameter)
    {
        public bool Matches(ReadOnlySpan<byte> text) =>
            IsParameter ? Ascii.EqualsIgnoreCase(text, Text.AsSpan(0, text.Length)) : text.SequenceEqual(Text.AsSpan(0, text.Length));

        public int EndOfValue(ReadOnlySpan<byte> text)
        {
            var end = text.IndexOfAnyExcept(TokenBytes);
            if (IsParameter)
            {
                for (end = 0; end < text.Length && text[end] > ' ' && text[end] is not ((byte)'?' or (byte)'&' or 0x7F); end++) { }
                return end;
            }

            return end < 0 ? text.Length : end;
        }
    }
}
