using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Native.Memory;

/// <summary>
/// The guest's memory and the one gate to it: every access names a guest physical address, is checked against one
/// region, and copies. The guest may change any byte at any time, so a value is read once, checked, and the copy used.
/// </summary>
/// <remarks>
/// Owns its mappings. They live as long as this object, which must outlive the virtual machine and every device.
/// </remarks>
internal sealed partial class GuestMemory : IDisposable
{
    private readonly GuestRegion[] _regions;
    private readonly DirtyPages? _written;

    /// <param name="regions">Ordered by address, not overlapping; taken over.</param>
    /// <param name="trackWrites">Remember which pages were written through this object.</param>
    public GuestMemory(IEnumerable<GuestRegion> regions, bool trackWrites = false)
    {
        _regions = [.. regions];
        if (trackWrites) _written = new(_regions.Select(static region => (ulong)region.Mapping.Length));
        for (var i = 1; i < _regions.Length; i++)
        {
            if (_regions[i].Start.Value < _regions[i - 1].End) throw new ArgumentException("Regions overlap or are out of order.", nameof(regions));
        }
    }

    public IReadOnlyList<GuestRegion> Regions => _regions;

    /// <summary>In bytes.</summary>
    public ulong Size => _regions.Aggregate(0ul, static (sum, region) => sum + region.Mapping.Length);

    /// <summary>What was written through this object, where that is tracked.</summary>
    public DirtyPages? Written => _written;

    /// <summary>Whether all of the range is memory of one region. An empty range is where its address is.</summary>
    public bool Contains(GuestAddress address, ulong length) => TryFind(address, length, out _);

    /// <summary>A copy of little-endian <typeparamref name="T"/> (host and guest are x86-64).</summary>
    /// <exception cref="GuestMemoryException">Not the guest's memory.</exception>
    public unsafe T Read<T>(GuestAddress address)
        where T : unmanaged
    {
        var source = Resolve(address, (ulong)sizeof(T));
        // SAFETY: sizeof(T) bytes at `source` are mapped until Dispose; the span copes with any alignment.
        return MemoryMarshal.Read<T>(new ReadOnlySpan<byte>(source, sizeof(T)));
    }

    /// <exception cref="GuestMemoryException">Not the guest's memory.</exception>
    public unsafe void Write<T>(GuestAddress address, in T value)
        where T : unmanaged
    {
        var target = ResolveWritable(address, (ulong)sizeof(T));
        // SAFETY: sizeof(T) bytes at `target` are mapped and writable until Dispose.
        MemoryMarshal.Write(new Span<byte>(target, sizeof(T)), in value);
    }

    /// <exception cref="GuestMemoryException">Not the guest's memory; nothing was copied.</exception>
    public unsafe void Read(GuestAddress address, Span<byte> into)
    {
        var source = Resolve(address, (ulong)into.Length);
        // SAFETY: as many bytes as `into` has are mapped at `source` until Dispose.
        new ReadOnlySpan<byte>(source, into.Length).CopyTo(into);
    }

    /// <exception cref="GuestMemoryException">Not the guest's memory; nothing was written.</exception>
    public unsafe void Write(GuestAddress address, ReadOnlySpan<byte> bytes)
    {
        var target = ResolveWritable(address, (ulong)bytes.Length);
        // SAFETY: as many bytes as `bytes` has are mapped and writable at `target` until Dispose.
        bytes.CopyTo(new Span<byte>(target, bytes.Length));
    }

    /// <summary>One load that the guest's stores cannot tear, ordered before all that follow it (virtio 1.2, 2.7.13.3 and 2.7.14).</summary>
    /// <exception cref="GuestMemoryException">Not the guest's memory, or an odd address.</exception>
    public unsafe ushort LoadAcquire(GuestAddress address)
    {
        if ((address.Value & 1) != 0) throw new GuestMemoryException(address, sizeof(ushort));
        var source = Resolve(address, sizeof(ushort));
        // SAFETY: two aligned bytes, mapped until Dispose (regions begin at page boundaries).
        return Volatile.Read(ref *(ushort*)source);
    }

    /// <summary>One store that the guest cannot see torn, ordered after all before it.</summary>
    /// <exception cref="GuestMemoryException">Not the guest's memory, or an odd address.</exception>
    public unsafe void StoreRelease(GuestAddress address, ushort value)
    {
        if ((address.Value & 1) != 0) throw new GuestMemoryException(address, sizeof(ushort));
        var target = ResolveWritable(address, sizeof(ushort));
        // SAFETY: two aligned bytes, mapped and writable until Dispose.
        Volatile.Write(ref *(ushort*)target, value);
    }

    /// <summary>Where the range lies in this process, for a system call that copies; never kept beyond the request.</summary>
    /// <exception cref="GuestMemoryException">Not the guest's memory.</exception>
    internal unsafe byte* Resolve(GuestAddress address, ulong length) =>
        TryFind(address, length, out var index)
            ? (byte*)_regions[index].Mapping.Address + (address.Value - _regions[index].Start.Value)
            : throw new GuestMemoryException(address, length);

    /// <summary>A range that somebody beside the guest has written: who copies there without passing through this object says so.</summary>
    internal void MarkWritten(GuestAddress address, ulong length)
    {
        if (_written is { } written && TryFind(address, length, out var index)) written.Mark(index, address.Value - _regions[index].Start.Value, length);
    }

    public void Dispose()
    {
        foreach (var region in _regions) region.Mapping.Dispose();
    }

    private unsafe byte* ResolveWritable(GuestAddress address, ulong length)
    {
        var target = Resolve(address, length);
        MarkWritten(address, length);
        return target;
    }

    private bool TryFind(GuestAddress address, ulong length, out int index)
    {
        for (index = 0; index < _regions.Length; index++)
        {
            ref readonly var candidate = ref _regions[index];
            if (address.Value < candidate.Start.Value) continue;
            var offset = address.Value - candidate.Start.Value;
            if (offset <= candidate.Mapping.Length && length <= candidate.Mapping.Length - offset) return true;
        }

        return false;
    }
}

/// <summary>A range of guest physical addresses and the mapping behind it.</summary>
/// <param name="Start">At a page boundary.</param>
/// <param name="Mapping">Whole pages.</param>
internal readonly record struct GuestRegion(GuestAddress Start, MappedRegion Mapping)
{
    /// <summary>The first address after it.</summary>
    public ulong End => Start.Value + Mapping.Length;
}
