using System.Buffers.Binary;

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

    // 2^16 bits: 8 KiB stay in the first-level cache, and a thousand patterns fill under 2 % of them.
    private const int FilterWords = 1024;

    private readonly ulong[] _filter = new ulong[FilterWords];
    private Node[] _nodes = new Node[256];
    private int[] _tables = [];
    private int _count = 1;

    public SecretPatterns(IEnumerable<byte[]> patterns)
    {
        foreach (byte[] pattern in patterns)
            Add(pattern);
        Array.Resize(ref _nodes, _count);
        LinkSuffixes();
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
    /// The state after <paramref name="next"/>, or 0 when no pattern's first four bytes end here; then the search goes
    /// on with <see cref="Find"/>, three bytes back.
    /// </summary>
    public int Step(int state, byte next)
    {
        do
        {
            int child = Child(state, next);
            if (child != 0)
                return child;
            state = _nodes[state].Fail;
        }
        while (state != 0);
        return 0;
    }

    /// <summary>The first position at or after <paramref name="from"/> where a pattern's first four bytes stand, with the
    /// state after them; otherwise -1.</summary>
    public int Find(ReadOnlySpan<byte> text, int from, out int state)
    {
        int position = from;
        while ((position = NextCandidate(text, position)) >= 0)
        {
            state = Begin(text.Slice(position, Window));
            if (state != 0)
                return position;
            position++;
        }

        state = 0;
        return -1;
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

    // Four windows out of one eight-byte read: one bounds check and one branch for four positions.
    private int NextCandidate(ReadOnlySpan<byte> text, int position)
    {
        ulong[] filter = _filter;
        for (; position <= text.Length - 8; position += 4)
        {
            ulong bytes = BinaryPrimitives.ReadUInt64LittleEndian(text[position..]);
            ulong hits = Filter(filter, (uint)bytes) | Filter(filter, (uint)(bytes >> 8))
                | Filter(filter, (uint)(bytes >> 16)) | Filter(filter, (uint)(bytes >> 24));
            if ((hits & 1) != 0)
                break;
        }

        for (; position <= text.Length - Window; position++)
        {
            if ((Filter(filter, BinaryPrimitives.ReadUInt32LittleEndian(text[position..])) & 1) != 0)
                return position;
        }

        return -1;
    }

    // The lowest bit of the result tells; the others are noise. A 64-bit shift takes its count modulo 64.
    private static ulong Filter(ulong[] filter, uint window)
    {
        uint hash = window * 0x9E3779B1;
        return filter[hash >> 22] >> (int)(hash >> 16);
    }

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
        uint hash = BinaryPrimitives.ReadUInt32LittleEndian(pattern) * 0x9E3779B1;
        _filter[hash >> 22] |= 1UL << (int)(hash >> 16);
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
        public byte Label;
    }
}
