using System.Buffers;
using System.Text;

namespace RunnerVm.Logs;

/// <summary>
/// Makes a job's bytes safe to show on a terminal: text, line ends, tab, backspace and colours pass; every other
/// control sequence is dropped, because it could move over what we wrote, set the title, fill the clipboard or make
/// the terminal answer into the shell's input. What is no UTF-8 becomes U+FFFD. State goes from chunk to chunk and is
/// bounded. Sequences as in ECMA-48.
/// </summary>
internal sealed class TerminalSanitizer
{
    /// <summary>Longest list of colour parameters that passes.</summary>
    public const int MaximumParameters = 64;

    /// <summary>Bytes after which an unfinished string sequence is taken for text: an accident must not hide the log.</summary>
    public const int MaximumString = 64 << 10;

    private static readonly SearchValues<byte> Harmless = SearchValues.Create(
        [(byte)'\t', (byte)'\n', (byte)'\r', (byte)'\b', .. Enumerable.Range(0x20, 0x5F).Select(value => (byte)value)]);

    private readonly byte[] _parameters = new byte[MaximumParameters];
    private readonly byte[] _partialRune = new byte[4];
    private int _parameterCount;
    private int _partialCount;
    private int _stringLength;
    private State _state;

    private enum State
    {
        Text,

        /// <summary>After ESC.</summary>
        Escape,

        /// <summary>After ESC [: collecting what may be a colour.</summary>
        Control,

        /// <summary>In a control sequence that is no colour; ends with its final byte.</summary>
        DroppedControl,

        /// <summary>In an operating system command, device control or the like; ends with BEL or ESC \.</summary>
        String,
    }

    /// <summary>A colour was set and not yet reset.</summary>
    public bool IsColorOpen { get; private set; }

    /// <summary>Sanitizes a chunk; the end of an unfinished character or sequence waits for the next one.</summary>
    public void Write(ReadOnlySpan<byte> chunk, IBufferWriter<byte> safe)
    {
        while (!chunk.IsEmpty)
        {
            if (_state == State.Text && _partialCount == 0)
            {
                int length = chunk.IndexOfAnyExcept(Harmless);
                length = length < 0 ? chunk.Length : length;
                safe.Write(chunk[..length]);
                chunk = chunk[length..];
                if (chunk.IsEmpty)
                    return;
            }

            if (_state == State.Text && (_partialCount > 0 || chunk[0] >= 0x80))
            {
                TakeRune(chunk[0], safe);
                chunk = chunk[1..];
                continue;
            }

            _state = Take(chunk[0], safe);
            chunk = chunk[1..];
        }
    }

    /// <summary>Ends the stream, at the end of a step: drops what is unfinished and takes back an open colour.</summary>
    public void Complete(IBufferWriter<byte> safe)
    {
        if (_partialCount > 0)
            safe.Write("\uFFFD"u8);
        if (IsColorOpen)
            safe.Write("\e[0m"u8);
        _partialCount = 0;
        _state = State.Text;
        IsColorOpen = false;
    }

    private State Take(byte value, IBufferWriter<byte> safe)
    {
        // ESC begins anew, CAN and SUB give up, wherever they stand.
        if (value == 0x1B)
            return State.Escape;
        if (value is 0x18 or 0x1A)
            return State.Text;
        switch (_state)
        {
            case State.Escape:
                return TakeAfterEscape(value, safe);
            case State.Control:
            case State.DroppedControl:
                return TakeInControl(value, safe);
            case State.String:
                return TakeInString(value, safe);
            default:
                TakeText(value, safe);
                return State.Text;
        }
    }

    // ESC, any number of intermediates 0x20-0x2F, one final byte; four finals open something longer.
    private State TakeAfterEscape(byte value, IBufferWriter<byte> safe)
    {
        switch (value)
        {
            case (byte)'[':
                _parameterCount = 0;
                return State.Control;
            case (byte)']' or (byte)'P' or (byte)'X' or (byte)'^' or (byte)'_':
                _stringLength = 0;
                return State.String;
            case >= 0x20 and <= 0x2F:
                return State.Escape;
            case < 0x20 or >= 0x80:
                // A terminal obeys a control inside a sequence and goes on; text beyond ASCII ends it.
                TakeText(value, safe);
                return value < 0x20 ? State.Escape : State.Text;
            default:
                return State.Text;
        }
    }

    private State TakeInControl(byte value, IBufferWriter<byte> safe)
    {
        switch (value)
        {
            case >= (byte)'0' and <= (byte)';' when _state == State.Control && _parameterCount < MaximumParameters:
                _parameters[_parameterCount++] = value;
                return State.Control;
            case (byte)'m' when _state == State.Control:
                WriteColor(safe);
                return State.Text;
            case >= 0x20 and <= 0x3F:
                return State.DroppedControl;
            case < 0x20 or >= 0x80:
                TakeText(value, safe);
                return value < 0x20 ? _state : State.Text;
            default:
                return State.Text;
        }
    }

    // A newline ends a string as well: no string has one in it, and a stray ESC ] costs one line.
    private State TakeInString(byte value, IBufferWriter<byte> safe)
    {
        if (value == '\n')
            TakeText(value, safe);
        return value is 0x07 or (byte)'\n' || ++_stringLength >= MaximumString ? State.Text : State.String;
    }

    private void TakeText(byte value, IBufferWriter<byte> safe)
    {
        if (value >= 0x80)
            TakeRune(value, safe);
        else if (Harmless.Contains(value))
            safe.Write([value]);
    }

    private void WriteColor(IBufferWriter<byte> safe)
    {
        ReadOnlySpan<byte> parameters = _parameters.AsSpan(0, _parameterCount);
        safe.Write("\e["u8);
        safe.Write(parameters);
        safe.Write("m"u8);
        IsColorOpen = parameters.ContainsAnyExcept("0;"u8);
    }

    private void TakeRune(byte value, IBufferWriter<byte> safe)
    {
        _partialRune[_partialCount++] = value;
        OperationStatus status = Rune.DecodeFromUtf8(_partialRune.AsSpan(0, _partialCount), out Rune rune, out int used);
        if (status == OperationStatus.NeedMoreData)
            return;
        int count = _partialCount;
        _partialCount = 0;
        if (status == OperationStatus.Done)
        {
            // U+0080 to U+009F are control characters of eight bits; some open the same sequences as ESC does.
            if (Rune.IsControl(rune))
                _state = AfterEightBitControl(rune.Value);
            else
                safe.Write(_partialRune.AsSpan(0, count));
            return;
        }

        safe.Write("\uFFFD"u8);
        if (used < count)
            Write([_partialRune[count - 1]], safe);
    }

    private State AfterEightBitControl(int value)
    {
        _parameterCount = 0;
        _stringLength = 0;
        return value switch
        {
            0x9B => State.Control,
            0x90 or 0x98 or 0x9D or 0x9E or 0x9F => State.String,
            _ => State.Text,
        };
    }
}
