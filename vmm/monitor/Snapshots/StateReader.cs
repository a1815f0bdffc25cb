using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Monitor.Snapshots;

/// <summary>
/// Reads what <see cref="StateWriter"/> wrote. Nothing in it is believed: every length is held against what is left, and what
/// was not read at the end of a record is refused.
/// </summary>
internal ref struct StateReader(ReadOnlySpan<byte> bytes)
{
    private ReadOnlySpan<byte> _left = bytes;

    /// <summary>Bytes not yet read.</summary>
    public readonly int Left => _left.Length;

    /// <summary>The next record, which must be of this kind and of a version up to ours.</summary>
    /// <exception cref="BadStateException">It is another, or longer than what there is.</exception>
    public StateReader Record(StateRecord kind, byte version)
    {
        var (found, written) = ((StateRecord)Number<byte>(), Number<byte>());
        if (found != kind) throw BadStateException.Damaged($"record {(byte)found} stands where {kind} is expected");
        if (written == 0 || written > version)
            throw new BadStateException($"has {kind} in version {written}, and this monitor knows up to {version}. Load it with the monitor that wrote it, or take it again.");
        return new(Take(Number<int>(), kind.ToString()));
    }

    public bool Flag(string what) => Number<byte>() switch
    {
        0 => false,
        1 => true,
        var other => throw BadStateException.Damaged($"{what} is {other}, neither yes nor no"),
    };

    public T Number<T>()
        where T : unmanaged
    {
        if (!MemoryMarshal.TryRead(_left, out T value)) throw Short(typeof(T).Name);
        _left = _left[MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value)).Length..];
        return value;
    }

    /// <summary>A number with bounds of its own.</summary>
    public T Number<T>(string what, T least, T most)
        where T : unmanaged, IComparable<T>
    {
        var value = Number<T>();
        if (value.CompareTo(least) < 0 || value.CompareTo(most) > 0) throw BadStateException.Damaged($"{what} is {value}, outside {least} to {most}");
        return value;
    }

    /// <param name="most">Bytes there may be.</param>
    public ReadOnlySpan<byte> Bytes(string what, int most)
    {
        var length = Number<int>();
        if (length > most) throw BadStateException.Damaged($"{what} has {length} bytes and may have {most}");
        return Take(length, what);
    }

    /// <param name="most">How many there may be.</param>
    public T[] Items<T>(string what, int most)
        where T : unmanaged
    {
        var count = Number(what, 0, most);
        if (count == 0) return [];
        var items = new T[count];
        var bytes = MemoryMarshal.AsBytes(items.AsSpan());
        Take(bytes.Length, what).CopyTo(bytes);
        return items;
    }

    /// <summary>Call last: more than we know of would be lost.</summary>
    public readonly void End(string what)
    {
        if (!_left.IsEmpty) throw BadStateException.Damaged($"{what} has {_left.Length} bytes too many");
    }

    private ReadOnlySpan<byte> Take(int length, string what)
    {
        if (length < 0 || length > _left.Length) throw Short(what);
        var taken = _left[..length];
        _left = _left[length..];
        return taken;
    }

    private static BadStateException Short(string what) => BadStateException.Damaged($"it ends in the midst of {what}");
}
