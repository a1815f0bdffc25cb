using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace RunnerVm.Logs;

/// <summary>
/// Every form of every secret, compiled: an Aho-Corasick automaton behind a filter on four-byte windows. The filter
/// lets ordinary text pass at memory speed, the automaton bounds the cost of hostile text: each byte is read a constant
/// number of times. Immutable, shared by all streams of a job.
/// </summary>
internal sealed class SecretPatterns
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
    private int[] _tables = [];
    private readonly int _stride;
    private int _count = 1;

    public SecretPatterns(IReadOnlyCollection<byte[]> patterns)
    {
        foreach (byte[] pattern in patterns)
            Add(pattern);
        _stride = patterns.Count == 0 ? 1 : Math.Clamp(patterns.Min(pattern => pattern.Length) - Window + 1, 1, LongestStride);
        foreach (byte[] pattern in patterns)
            FillFilter(pattern);
        Array.Resize(ref _nodes, _count);
        LinkSuffixes();
        _labels = new byte[_count];
        MeasureRuns();
        BuildTables();
    }

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
                state = Begin(text.Slice(start, Window));
                if (state != 0)
                    return start;
            }

            from = sample + 1;
        }

        return FindNearEnd(text, Math.Max(from, text.Length - Window - _stride + 2), out state);
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
            state = Begin(text.Slice(start, Window));
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

    private void Add(byte[] pattern)
    {
        if (pattern.Length < Window)
            throw new ArgumentException($"A pattern needs at least {Window} bytes.", nameof(pattern));
        int state = 0;
        foreach (byte label in pattern)
        {
            int child = Child(state, label);
            state = child != 0 ? child : NewNode(state, label);
        }

        _nodes[state].Match = pattern.Length;
        LongestPattern = Math.Max(LongestPattern, pattern.Length);
    }

    // Whatever the phase of the samples, one of them falls on one of a pattern's first windows.
    private void FillFilter(byte[] pattern)
    {
        for (int offset = 0; offset < _stride; offset++)
        {
            uint hash = BinaryPrimitives.ReadUInt32LittleEndian(pattern.AsSpan(offset)) * Multiplier;
            _filter[hash >> FilterShift] |= 1UL << (int)(hash >> (FilterShift - 6));
        }
    }

    private int NewNode(int parent, byte label)
    {
        if (_count == _nodes.Length)
            Array.Resize(ref _nodes, _count * 2);
        _nodes[_count] = new Node
        {
            Label = label, Depth = _nodes[parent].Depth + 1, NextSibling = _nodes[parent].FirstChild,
        };
        _nodes[parent].FirstChild = _count;
        return _count++;
    }

    // Breadth first, so a node's shorter suffixes are linked before it. Links to nodes above the window's depth are
    // cut off: the filter finds those starts again.
    private void LinkSuffixes()
    {
        var suffix = new int[_count];
        var queue = new Queue<int>();
        queue.Enqueue(0);
        while (queue.TryDequeue(out int parent))
        {
            for (int node = _nodes[parent].FirstChild; node != 0; node = _nodes[node].NextSibling)
            {
                queue.Enqueue(node);
                int link = parent;
                do
                {
                    link = suffix[link];
                    suffix[node] = link == parent ? 0 : Child(link, _nodes[node].Label);
                }
                while (suffix[node] == 0 && link != 0);
                if (_nodes[node].Match == 0)
                    _nodes[node].Match = _nodes[suffix[node]].Match;
                _nodes[node].Fail = _nodes[suffix[node]].Depth >= Window ? suffix[node] : 0;
            }
        }
    }

    // A pattern's nodes stand one after the other, so its unbranched end can be compared as one piece of text.
    private void MeasureRuns()
    {
        for (int node = _count - 1; node > 0; node--)
        {
            _labels[node] = _nodes[node].Label;
            int child = _nodes[node].FirstChild;
            if (child == node + 1 && _nodes[child].NextSibling == 0 && _nodes[child].Match == 0)
                _nodes[node].Run = _nodes[child].Run + 1;
        }
    }

    private void BuildTables()
    {
        var tables = new List<int>(new int[256]);
        for (int node = 0; node < _count; node++)
        {
            int children = 0;
            for (int child = _nodes[node].FirstChild; child != 0; child = _nodes[child].NextSibling)
                children++;
            if (children <= ListedChildren)
                continue;
            int table = tables.Count;
            tables.AddRange(new int[256]);
            for (int child = _nodes[node].FirstChild; child != 0; child = _nodes[child].NextSibling)
                tables[table + _nodes[child].Label] = child;
            _nodes[node].Table = table >> 8;
        }

        _tables = [.. tables];
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
