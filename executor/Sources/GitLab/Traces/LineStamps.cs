using System.Buffers;
using System.Globalization;
using System.Text;

namespace RunnerVm.Sources.GitLab.Traces;

/// <summary>
/// Puts the time and the stream's sign before each line of one stream, in the form GitLab's log viewer takes apart:
/// <c>2026-01-31T12:00:00.000000Z 01O text</c>, with a <c>+</c> instead of the last blank where a line goes on.
/// </summary>
internal sealed class LineStamps(string sign, TimeProvider time)
{
    /// <summary>A longer line is shown in pieces.</summary>
    private const int LongestWait = 8192;

    private readonly ArrayBufferWriter<byte> _line = new();
    private bool _continues;

    public void Write(ReadOnlySpan<byte> chunk, IBufferWriter<byte> stamped)
    {
        for (int end; (end = chunk.IndexOf((byte)'\n')) >= 0; chunk = chunk[(end + 1)..])
        {
            _line.Write(chunk[..(end + 1)]);
            Emit(stamped, ended: true);
        }

        _line.Write(chunk);
        // A progress bar redraws its line by carriage returns and would not be seen before its end.
        if (chunk.Contains((byte)'\r') || _line.WrittenCount > LongestWait) EmitPart(stamped);
    }

    /// <summary>The stream is over: shows a line that was not ended.</summary>
    public void Complete(IBufferWriter<byte> stamped)
    {
        if (_line.WrittenCount > 0) EmitPart(stamped);
    }

    private void EmitPart(IBufferWriter<byte> stamped)
    {
        // Whether a CR is the first half of a CRLF is known with the next byte only.
        if (_line.WrittenCount == 0 || (_line.WrittenSpan[^1] == '\r' && _line.WrittenCount <= LongestWait && _line.WrittenSpan.IndexOf((byte)'\r') == _line.WrittenCount - 1)) return;
        _line.Write("\n"u8);
        Emit(stamped, ended: false);
    }

    private void Emit(IBufferWriter<byte> stamped, bool ended)
    {
        stamped.Write(Encoding.ASCII.GetBytes(time.GetUtcNow().ToString("yyyy-MM-ddTHH:mm:ss.ffffffZ", CultureInfo.InvariantCulture)));
        stamped.Write(Encoding.ASCII.GetBytes($" {sign}{(_continues ? '+' : ' ')}"));
        stamped.Write(_line.WrittenSpan);
        _line.ResetWrittenCount();
        _continues = !ended;
    }
}
