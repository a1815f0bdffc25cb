using System.Text;
using RunnerVm.Logs;

namespace RunnerVm.Tests.Executor.Logs;

/// <summary>The definition of masking, written down: mark every byte of every occurrence, replace every marked run.</summary>
internal static class NaiveMasker
{
    public static byte[] Mask(IReadOnlyCollection<byte[]> patterns, byte[] text)
    {
        var hidden = new bool[text.Length];
        foreach (byte[] pattern in patterns)
        {
            for (int at = 0; at + pattern.Length <= text.Length; at++)
            {
                if (text.AsSpan(at).StartsWith(pattern))
                    hidden.AsSpan(at, pattern.Length).Fill(true);
            }
        }

        var masked = new List<byte>();
        for (int at = 0; at < text.Length; at++)
        {
            if (!hidden[at])
                masked.Add(text[at]);
            else if (at == 0 || !hidden[at - 1])
                masked.AddRange("***"u8);
        }

        return [.. masked];
    }

    public static byte[][] Patterns(params string[] secrets) => [.. secrets.SelectMany(SecretEncodings.Of)];

    /// <summary>Longest end of the text that begins a pattern but is no whole one's end.</summary>
    public static int LongestOpenEnd(IReadOnlyCollection<byte[]> patterns, byte[] text)
    {
        for (int length = Math.Min(text.Length, patterns.Max(pattern => pattern.Length)); length > 0; length--)
        {
            byte[] end = text[^length..];
            if (patterns.Any(pattern => pattern.AsSpan().StartsWith(end)))
                return length;
        }

        return 0;
    }

    public static string Text(byte[] bytes) => Encoding.Latin1.GetString(bytes);
}
