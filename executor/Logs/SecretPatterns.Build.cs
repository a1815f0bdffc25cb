using System.Buffers.Binary;
using System.Numerics;

namespace RunnerVm.Logs;

internal sealed partial class SecretPatterns
{
    public SecretPatterns(IReadOnlyCollection<byte[]> patterns)
    {
        foreach (byte[] pattern in patterns)
            Add(pattern);
        _stride = patterns.Count == 0 ? 1 : Math.Clamp(patterns.Min(pattern => pattern.Length) - Window + 1, 1, LongestStride);
        int slotBits = BitOperations.Log2(BitOperations.RoundUpToPowerOf2((uint)(4 * patterns.Count) + 4));
        _starts = new (uint, int)[1 << slotBits];
        _startShift = 32 - slotBits;
        foreach (byte[] pattern in patterns)
        {
            FillFilter(pattern);
            AddStart(BinaryPrimitives.ReadUInt32LittleEndian(pattern), Begin(pattern.AsSpan(0, Window)));
        }

        Array.Resize(ref _nodes, _count);
        LinkSuffixes();
        _labels = new byte[_count];
        MeasureRuns();
        BuildTables();
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

    private void AddStart(uint window, int state)
    {
        uint slot = (window * Multiplier) >> _startShift;
        while (_starts[slot].State != 0 && _starts[slot].Window != window)
            slot = (slot + 1) & (uint)(_starts.Length - 1);
        _starts[slot] = (window, state);
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
}
