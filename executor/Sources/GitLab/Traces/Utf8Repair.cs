using System.Buffers;
using System.Text;

namespace RunnerVm.Sources.GitLab.Traces;

/// <summary>Passes valid UTF-8 on and replaces the rest by U+FFFD; a character that ends in the next chunk waits for it.</summary>
internal sealed class Utf8Repair
{
    private static ReadOnlySpan<byte> Replacement => "\uFFFD"u8;

    private readonly byte[] _open = new byte[4];
    private int _openLength;

    public void Write(ReadOnlySpan<byte> chunk, IBufferWriter<byte> valid)
    {
        while (_openLength > 0 && chunk.Length > 0)
        {
            _open[_openLength++] = chunk[0];
            var status = Rune.DecodeFromUtf8(_open.AsSpan(0, _openLength), out _, out var consumed);
            if (status == OperationStatus.NeedMoreData)
            {
                chunk = chunk[1..];
                continue;
            }

            if (status == OperationStatus.Done)
            {
                valid.Write(_open.AsSpan(0, _openLength));
                chunk = chunk[1..];
            }
            else
            {
                // The byte that broke the character may begin another: it is looked at again.
                valid.Write(Replacement);
                if (consumed == _openLength) chunk = chunk[1..];
            }

            _openLength = 0;
        }

        while (chunk.Length > 0)
        {
            var bad = IndexOfInvalid(chunk);
            valid.Write(chunk[..bad]);
            chunk = chunk[bad..];
            if (chunk.Length == 0) return;
            if (Rune.DecodeFromUtf8(chunk, out _, out var consumed) == OperationStatus.NeedMoreData)
            {
                chunk.CopyTo(_open);
                _openLength = chunk.Length;
                return;
            }

            valid.Write(Replacement);
            chunk = chunk[consumed..];
        }
    }

    /// <summary>The stream is over: what waits will not become a character.</summary>
    public void Complete(IBufferWriter<byte> valid)
    {
        if (_openLength > 0) valid.Write(Replacement);
        _openLength = 0;
    }

    /// <summary>Length of the valid beginning.</summary>
    private static int IndexOfInvalid(ReadOnlySpan<byte> bytes)
    {
        if (System.Text.Unicode.Utf8.IsValid(bytes)) return bytes.Length;
        var at = 0;
        while (at < bytes.Length)
        {
            var ascii = bytes[at..].IndexOfAnyInRange((byte)0x80, (byte)0xFF);
            if (ascii < 0) return bytes.Length;
            at += ascii;
            if (Rune.DecodeFromUtf8(bytes[at..], out _, out var consumed) != OperationStatus.Done) return at;
            at += consumed;
        }

        return at;
    }
}
