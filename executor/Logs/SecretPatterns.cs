using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace RunnerVm.Logs;

/// <summary>
/// Every form of every secret, compiled: an Aho-Corasick automaton behind a filter on four-byte windows. The filter
/// lets ordinary text pass at memory speed, the automaton bounds the cost of hostile text: each byte is read a constant
/// number of times. Immutable, shared by all streams of a job.
/// </summary>
internal sealed partial class SecretPatterns
{
    /// <summary>Shortest pattern, and the width of the filter's window.</summary>
    public const int Window = 4;

    // More children than this, and a node gets a table of 256 instead of a list.
    private const int ListedChildren = 6;

    // From this length on, comparing at once is faster than node by node.
    private const int WorthwhileRun = 6;

    // 2^16 bits: 8 KiB stay in the first-level cache, and a thousand patterns fill under 2 % of them.
    private const int FilterWords = 1024;
    private const int FilterShift = 22;
    private const uint Multiplier = 0x9E3779B1;

    // The filter looks at every fourth byte where the shortest pattern is long enough to be met all the same.
    private const int LongestStride = 4;

    private readonly ulong[] _filter = new ulong[FilterWords];
    private Node[] _nodes = new Node[256];
    private readonly byte[] _labels;

    // Every pattern's first four bytes by their hash: a power of two of slots, at most a quarter full, open addressing.
    private readonly (uint Window, int State)[] _starts;
    private readonly int _startShift;
    private int[] _tables = [];
    private readonly int _stride;
    private int _count = 1;

    /// <summary>Length of the longest pattern in bytes; 0 when there is none.</summary>
    public int LongestPattern { get; private set; }

    public bool IsEmpty => LongestPattern == 0;

    /// <summary>Number of bytes the state stands for: the longest end of the text that begins a pattern.</summary>
    public int Depth(int state) => _nodes[state].Depth;

    /// <summary>Length of the longest pattern that ends at this state, or 0.</summary>
    public int MatchLength(int state) => _nodes[state].Match;

    /// <summary>
    /// Reads on from a state until a pattern ends, the text does, or no pattern's first four bytes end here (state 0);
    /// then the search goes on with <see cref="Find"/>, three bytes before the returned position.
    /// </summary>
    /// <returns>The position after the last byte that was taken.</returns>
    public int Follow(ReadOnlySpan<byte> text, int position, ref int state)
    {
        Node[] nodes = _nodes;
        int current = state;
        while (position < text.Length)
        {
            int run = nodes[current].Run;
            if (run >= WorthwhileRun)
            {
                int same = text[position..].CommonPrefixLength(_labels.AsSpan(current + 1, run));
                position += same;
                current += same;
                if (position == text.Length)
                    break;
            }

            current = Step(current, text[position]);
            if (current == 0)
                break;
            position++;
            if (nodes[current].Match != 0)
                break;
        }

        state = current;
        return position;
    }

    /// <summary>
    /// The first position at or after <paramref name="from"/> where a pattern's first four bytes stand, with the state
    /// after them; otherwise -1. Passes over starts of which the text shows that they become no whole pattern.
    /// </summary>
    public int Find(ReadOnlySpan<byte> text, int from, out int state)
    {
        for (int sample = from + _stride - 1; (sample = NextSample(text, sample)) >= 0; sample += _stride)
        {
            for (int start = sample - _stride + 1; start <= sample; start++)
            {
                state = StateAfter(BinaryPrimitives.ReadUInt32LittleEndian(text[start..]));
                if (state != 0)
                    return start;
            }

            from = sample + 1;
        }

        return FindNearEnd(text, Math.Max(from, text.Length - Window - _stride + 2), out state);
    }

    /// <summary>The state after a pattern's first four bytes, given as a little-endian number, or 0.</summary>
    public int StateAfter(uint window)
    {
        (uint Window, int State)[] starts = _starts;
        for (uint slot = (window * Multiplier) >> _startShift; ; slot++)
        {
            ref readonly (uint Window, int State) entry = ref starts[slot & (uint)(starts.Length - 1)];
            if (entry.Window == window || entry.State == 0)
                return entry.State;
        }
    }

    /// <summary>The state after a pattern's first bytes, or 0 when no pattern begins so.</summary>
    public int Begin(ReadOnlySpan<byte> start)
    {
        int state = 0;
        foreach (byte value in start)
        {
            state = Child(state, value);
            if (state == 0)
                return 0;
        }

        return state;
    }

    // The last few starts, whose sample would reach over the end.
    private int FindNearEnd(ReadOnlySpan<byte> text, int from, out int state)
    {
        for (int start = from; start <= text.Length - Window; start++)
        {
            state = StateAfter(BinaryPrimitives.ReadUInt32LittleEndian(text[start..]));
            if (state != 0)
                return start;
        }

        state = 0;
        return -1;
    }

    // The first sampled window that is in the filter. Two to four windows for one branch.
    private int NextSample(ReadOnlySpan<byte> text, int sample)
    {
        ulong[] filter = _filter;
        if (_stride == LongestStride)
        {
            for (; sample <= text.Length - (4 * LongestStride); sample += 4 * LongestStride)
            {
                ReadOnlySpan<byte> block = text.Slice(sample, 4 * LongestStride);
                ulong low = BinaryPrimitives.ReadUInt64LittleEndian(block);
                ulong high = BinaryPrimitives.ReadUInt64LittleEndian(block[8..]);
                ulong hits = Filter(filter, (uint)low) | Filter(filter, (uint)(low >> 32))
                    | Filter(filter, (uint)high) | Filter(filter, (uint)(high >> 32));
                if ((hits & 1) != 0)
                    break;
            }
        }
        else if (_stride == 1)
        {
            for (; sample <= text.Length - 8; sample += 4)
            {
                ulong bytes = BinaryPrimitives.ReadUInt64LittleEndian(text[sample..]);
                ulong hits = Filter(filter, (uint)bytes) | Filter(filter, (uint)(bytes >> 8))
                    | Filter(filter, (uint)(bytes >> 16)) | Filter(filter, (uint)(bytes >> 24));
                if ((hits & 1) != 0)
                    break;
            }
        }

        for (; sample <= text.Length - Window; sample += _stride)
        {
            if ((Filter(filter, BinaryPrimitives.ReadUInt32LittleEndian(text[sample..])) & 1) != 0)
                return sample;
        }

        return -1;
    }

    // The lowest bit of the result tells; the others are noise. A 64-bit shift takes its count modulo 64.
    private static ulong Filter(ulong[] filter, uint window)
    {
        uint hash = window * Multiplier;
        return filter[hash >> FilterShift] >> (int)(hash >> (FilterShift - 6));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Step(int state, byte next)
    {
        while (true)
        {
            int child = Child(state, next);
            if (child != 0)
                return child;
            state = _nodes[state].Fail;
            if (state == 0)
                return 0;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Child(int state, byte label)
    {
        ref readonly Node node = ref _nodes[state];
        if (node.Table != 0)
            return _tables[(node.Table << 8) | label];
        int child = node.FirstChild;
        while (child != 0 && _nodes[child].Label != label)
            child = _nodes[child].NextSibling;
        return child;
    }

    /// <summary>Index 0 is the root; 0 as a link means none.</summary>
    private struct Node
    {
        public int FirstChild;
        public int NextSibling;
        public int Fail;
        public int Match;
        public int Depth;
        public int Table;

        /// <summary>How many nodes after this one are the only way on, with no pattern ending there.</summary>
        public int Run;
        public byte Label;
    }
}
