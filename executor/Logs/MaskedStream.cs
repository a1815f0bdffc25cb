using System.Buffers;
using System.Buffers.Binary;

namespace RunnerVm.Logs;

/// <summary>
/// One byte stream on its way through a <see cref="SecretMasker"/>. What it holds back between two chunks is exactly
/// the longest end of the text that begins some secret, so it is never late without a reason. Not thread-safe; writes
/// allocate nothing once open.
/// </summary>
/// <remarks>
/// Positions count from the start of the current chunk; held bytes have negative ones. Everything before the boundary
/// (position minus automaton depth) is decided: no match to come can reach back over it.
/// </remarks>
internal sealed class MaskedStream
{
    private readonly SecretPatterns _patterns;
    private readonly byte[] _replacement;
    private readonly byte[] _held;

    // Hidden runs that start behind the boundary: disjoint, not touching, ascending. Each has four bytes or more.
    private readonly (int Start, int End)[] _runs;
    private int _runCount;

    private int _heldLength;
    private int _state;
    private int _emitted;
    private bool _maskWasLast;

    public MaskedStream(SecretPatterns patterns, byte[] replacement)
    {
        (_patterns, _replacement) = (patterns, replacement);
        _held = new byte[patterns.LongestPattern];
        _runs = new (int, int)[(patterns.LongestPattern / SecretPatterns.Window) + 2];
    }

    /// <summary>How many bytes wait for what follows them. Not zero after a write: call <see cref="Flush"/> after a quiet time.</summary>
    public int HeldBytes => -_emitted;

    /// <summary>Masks a chunk; may write more or fewer bytes than it was given.</summary>
    public void Write(ReadOnlySpan<byte> chunk, IBufferWriter<byte> masked)
    {
        if (_patterns.IsEmpty)
        {
            masked.Write(chunk);
            return;
        }

        if (chunk.IsEmpty)
            return;
        int searchFrom = -_heldLength;
        int position = 0;
        while (true)
        {
            if (_state == 0)
            {
                int start = FindStart(chunk, searchFrom);
                if (start == int.MaxValue)
                    break;
                position = start + SecretPatterns.Window;
                NoteMatch(position, chunk, masked);
            }

            position = Follow(position, chunk, masked);
            if (_state != 0)
                break;
            searchFrom = position - SecretPatterns.Window + 1;
        }

        int boundary = _state != 0 ? chunk.Length - _patterns.Depth(_state) : OpenStart(chunk, searchFrom);
        EmitRuns(boundary, chunk, masked);
        EmitText(boundary, chunk, masked);
        Keep(boundary, chunk);
    }

    /// <summary>
    /// Lets out what is held, for a reader who waits. The stream remembers where it was: if the rest of a secret comes
    /// after all, the rest is hidden, and only the beginning has been seen.
    /// </summary>
    public void Flush(IBufferWriter<byte> masked)
    {
        EmitRuns(0, default, masked);
        EmitText(0, default, masked);
    }

    /// <summary>Lets out what is held and forgets it: the stream is over, another may begin.</summary>
    public void Complete(IBufferWriter<byte> masked)
    {
        Flush(masked);
        _state = 0;
        _heldLength = 0;
        _emitted = 0;
        _maskWasLast = false;
    }

    // Runs the automaton until no pattern can be going on (state 0, at the byte that broke it) or the chunk ends.
    private int Follow(int position, ReadOnlySpan<byte> chunk, IBufferWriter<byte> masked)
    {
        while (position < chunk.Length)
        {
            position = _patterns.Follow(chunk, position, ref _state);
            if (_state == 0)
                break;
            NoteMatch(position, chunk, masked);
        }

        return position;
    }

    private void NoteMatch(int end, ReadOnlySpan<byte> chunk, IBufferWriter<byte> masked)
    {
        int length = _patterns.MatchLength(_state);
        if (length == 0)
            return;
        int start = Math.Max(end - length, _emitted);
        while (_runCount > 0 && _runs[_runCount - 1].End >= start)
            start = Math.Min(start, _runs[--_runCount].Start);
        _runs[_runCount++] = (start, end);
        EmitRuns(end - _patterns.Depth(_state), chunk, masked);
    }

    // Where a pattern's first four bytes stand, int.MaxValue when nowhere; sets the state after them.
    private int FindStart(ReadOnlySpan<byte> chunk, int from)
    {
        Span<byte> window = stackalloc byte[SecretPatterns.Window];
        for (; from < 0; from++)
        {
            if (from + SecretPatterns.Window > chunk.Length)
                return int.MaxValue;
            CopyTo(window, from, chunk);
            _state = _patterns.StateAfter(BinaryPrimitives.ReadUInt32LittleEndian(window));
            if (_state != 0)
                return from;
        }

        int found = _patterns.Find(chunk, from, out _state);
        return found < 0 ? int.MaxValue : found;
    }

    // Start of the longest end of the text, under four bytes, that begins a pattern.
    private int OpenStart(ReadOnlySpan<byte> chunk, int searchedFrom)
    {
        Span<byte> tail = stackalloc byte[SecretPatterns.Window];
        for (int start = Math.Max(searchedFrom, chunk.Length - SecretPatterns.Window + 1); start < chunk.Length; start++)
        {
            Span<byte> end = tail[..(chunk.Length - start)];
            CopyTo(end, start, chunk);
            if (_patterns.Begin(end) != 0)
                return start;
        }

        return chunk.Length;
    }

    private void CopyTo(Span<byte> target, int from, ReadOnlySpan<byte> chunk)
    {
        int old = Math.Clamp(-from, 0, target.Length);
        if (old > 0)
            _held.AsSpan(_heldLength + from, old).CopyTo(target);
        chunk.Slice(from + old, target.Length - old).CopyTo(target[old..]);
    }

    // A run is certain as soon as all before it is decided; what grows it later touches it and joins it.
    private void EmitRuns(int boundary, ReadOnlySpan<byte> chunk, IBufferWriter<byte> masked)
    {
        int done = 0;
        for (; done < _runCount && _runs[done].Start <= boundary; done++)
        {
            EmitText(_runs[done].Start, chunk, masked);
            if (!_maskWasLast)
                masked.Write(_replacement);
            _maskWasLast = true;
            _emitted = _runs[done].End;
        }

        if (done > 0)
        {
            _runs.AsSpan(done, _runCount - done).CopyTo(_runs);
            _runCount -= done;
        }
    }

    private void EmitText(int end, ReadOnlySpan<byte> chunk, IBufferWriter<byte> masked)
    {
        if (_emitted >= end)
            return;
        _maskWasLast = false;
        if (_emitted < 0)
            masked.Write(_held.AsSpan(_heldLength + _emitted, Math.Min(end, 0) - _emitted));
        if (end > 0)
            masked.Write(chunk[Math.Max(_emitted, 0)..end]);
        _emitted = end;
    }

    // Makes the bytes from the boundary on the held ones, and this chunk's end the next one's zero.
    private void Keep(int boundary, ReadOnlySpan<byte> chunk)
    {
        int old = Math.Max(-boundary, 0);
        _held.AsSpan(_heldLength - old, old).CopyTo(_held);
        ReadOnlySpan<byte> added = chunk[Math.Max(boundary, 0)..];
        added.CopyTo(_held.AsSpan(old));
        _heldLength = old + added.Length;
        _emitted -= chunk.Length;
        for (int run = 0; run < _runCount; run++)
            _runs[run] = (_runs[run].Start - chunk.Length, _runs[run].End - chunk.Length);
    }
}
