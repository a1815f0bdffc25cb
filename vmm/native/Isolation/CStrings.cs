using System.Text;

namespace RunnerVm.Vmm.Native.Isolation;

/// <summary>
/// Strings as C takes them: one pinned run of bytes, each string ended by a zero byte, and a table of pointers to them
/// that is ended by a null pointer.
/// </summary>
internal sealed unsafe class CStrings
{
    private readonly byte[] _bytes;
    private readonly nuint[] _pointers;

    /// <exception cref="ArgumentException">A string with a zero byte in it.</exception>
    public CStrings(params IReadOnlyList<string> strings)
    {
        foreach (var text in strings)
        {
            if (text.Contains('\0', StringComparison.Ordinal)) throw new ArgumentException("A string of C has no zero byte.", nameof(strings));
        }

        _bytes = GC.AllocateArray<byte>(strings.Sum(static text => Encoding.UTF8.GetByteCount(text) + 1), pinned: true);
        _pointers = GC.AllocateArray<nuint>(strings.Count + 1, pinned: true);
        var at = 0;
        for (var i = 0; i < strings.Count; i++)
        {
            // SAFETY: the array is pinned for its life, and 'at' within it.
            fixed (byte* start = _bytes) _pointers[i] = (nuint)(start + at);
            at += Encoding.UTF8.GetBytes(strings[i], _bytes.AsSpan(at)) + 1;
        }
    }

    /// <summary>The first string. Valid while this object is.</summary>
    public byte* First => (byte*)_pointers[0];

    /// <summary>The table. Valid while this object is.</summary>
    public byte** Table
    {
        get
        {
            // SAFETY: the array is pinned for its life.
            fixed (nuint* table = _pointers) return (byte**)table;
        }
    }
}
