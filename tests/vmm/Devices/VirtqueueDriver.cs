using RunnerVm.Vmm.Monitor.Devices.Virtio;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Tests.Vmm.Devices;

/// <summary>The driver's side of a split virtqueue (virtio 1.2, 2.7), well behaved unless the test writes the rings itself.</summary>
internal sealed class VirtqueueDriver
{
    private const ushort Next = 1, Write = 2, Indirect = 4;

    private readonly VirtioDriver _driver;
    private readonly Stack<ushort> _free = new();
    private readonly Dictionary<ushort, ushort[]> _inFlight = [];

    public VirtqueueDriver(VirtioDriver driver, int index, ushort? size = null)
    {
        _driver = driver;
        Index = index;
        driver.WriteRegister(0x30, (uint)index);
        Size = size ?? (ushort)driver.ReadRegister(0x34);
        DescriptorTable = driver.Allocate(Size * 16u, 16);
        AvailableRing = driver.Allocate(6 + (Size * 2u), 2);
        UsedRing = driver.Allocate(6 + (Size * 8u), 4);
        for (var i = Size - 1; i >= 0; i--) _free.Push((ushort)i);
    }

    public int Index { get; }

    public ushort Size { get; }

    public GuestAddress DescriptorTable { get; }

    public GuestAddress AvailableRing { get; }

    public GuestAddress UsedRing { get; }

    /// <summary>Requests made available so far, modulo 2^16.</summary>
    public ushort AvailableIndex
    {
        get => _driver.Memory.Read<ushort>(AvailableRing + 2);
        set => _driver.Memory.Write(AvailableRing + 2, value);
    }

    /// <summary>Requests that came back and were collected, modulo 2^16.</summary>
    public ushort LastUsed { get; private set; }

    public ushort UsedIndex => _driver.Memory.Read<ushort>(UsedRing + 2);

    /// <summary>avail_event: notify when this request is added.</summary>
    public ushort NotifyAt => _driver.Memory.Read<ushort>(UsedRing + 4 + (Size * 8u));

    /// <summary>used_event: interrupt when this request comes back.</summary>
    public ushort InterruptAt
    {
        get => _driver.Memory.Read<ushort>(AvailableRing + 4 + (Size * 2u));
        set => _driver.Memory.Write(AvailableRing + 4 + (Size * 2u), value);
    }

    public ushort AvailableFlags
    {
        set => _driver.Memory.Write(AvailableRing, value);
    }

    /// <summary>Tells the transport where the queue is, and that it is ready.</summary>
    public void Announce()
    {
        _driver.WriteRegister(0x30, (uint)Index);
        _driver.WriteRegister(0x38, Size);
        WriteAddress(0x80, DescriptorTable);
        WriteAddress(0x90, AvailableRing);
        WriteAddress(0xa0, UsedRing);
        _driver.WriteRegister(0x44, 1);
    }

    /// <summary>Makes a chain of descriptors available, without a notification; returns its head.</summary>
    public ushort Add(params ReadOnlySpan<GuestBuffer> buffers)
    {
        var chain = new ushort[buffers.Length];
        for (var i = 0; i < chain.Length; i++) chain[i] = TakeDescriptor();
        for (var i = 0; i < chain.Length; i++)
        {
            var last = i == chain.Length - 1;
            WriteDescriptor(chain[i], buffers[i], last ? null : chain[i + 1]);
        }

        _inFlight.Add(chain[0], chain);
        MakeAvailable(chain[0]);
        return chain[0];
    }

    /// <summary>The same, through one descriptor and a table of its own.</summary>
    public ushort AddIndirect(params ReadOnlySpan<GuestBuffer> buffers)
    {
        var table = _driver.Allocate((uint)buffers.Length * 16);
        for (var i = 0; i < buffers.Length; i++)
            WriteDescriptor(table, (ushort)i, buffers[i], i == buffers.Length - 1 ? null : (ushort)(i + 1));
        var head = TakeDescriptor();
        WriteDescriptor(head, table.Value, (uint)buffers.Length * 16, Indirect, 0);
        _inFlight.Add(head, [head]);
        MakeAvailable(head);
        return head;
    }

    /// <summary>Any descriptor, however wrong.</summary>
    public void WriteDescriptor(ushort index, ulong address, uint length, ushort flags, ushort next) =>
        WriteDescriptor(DescriptorTable, index, address, length, flags, next);

    /// <summary>Any descriptor of any table, however wrong.</summary>
    public void WriteDescriptor(GuestAddress table, ushort index, ulong address, uint length, ushort flags, ushort next)
    {
        var at = table + (index * 16u);
        _driver.Memory.Write(at, address);
        _driver.Memory.Write(at + 8, length);
        _driver.Memory.Write(at + 12, flags);
        _driver.Memory.Write(at + 14, next);
    }

    /// <summary>Any head, however wrong.</summary>
    public void MakeAvailable(ushort head)
    {
        var index = AvailableIndex;
        _driver.Memory.Write(AvailableRing + 4 + ((uint)(index % Size) * 2), head);
        _driver.Memory.StoreRelease(AvailableRing + 2, (ushort)(index + 1));
    }

    /// <summary>Notifies the device, asked for or not.</summary>
    public void Kick() => _driver.WriteRegister(0x50, (uint)Index);

    /// <summary>The next request that came back. Its descriptors are free again, and an interrupt is wanted for the next one.</summary>
    public bool TryCollect(out ushort head, out uint written)
    {
        (head, written) = (0, 0);
        if (_driver.Memory.LoadAcquire(UsedRing + 2) == LastUsed) return false;
        var element = UsedRing + 4 + ((uint)(LastUsed % Size) * 8);
        (head, written) = ((ushort)_driver.Memory.Read<uint>(element), _driver.Memory.Read<uint>(element + 4));
        LastUsed++;
        InterruptAt = LastUsed;
        if (_inFlight.Remove(head, out var chain))
            foreach (var descriptor in chain) _free.Push(descriptor);
        return true;
    }

    /// <summary>Adds, notifies, runs the loop until the request is back; returns the bytes the device says it wrote.</summary>
    public uint Request(params ReadOnlySpan<GuestBuffer> buffers)
    {
        Add(buffers);
        return Finish();
    }

    /// <summary>Notifies and runs the loop until one request is back; returns the bytes the device says it wrote.</summary>
    public uint Finish()
    {
        Kick();
        uint written = 0;
        _driver.PumpUntil(() => TryCollect(out _, out written), "a request to come back");
        return written;
    }

    private ushort TakeDescriptor() => _free.TryPop(out var index) ? index : throw new InvalidOperationException("No free descriptor.");

    private void WriteDescriptor(ushort index, GuestBuffer buffer, ushort? next) => WriteDescriptor(DescriptorTable, index, buffer, next);

    private void WriteDescriptor(GuestAddress table, ushort index, GuestBuffer buffer, ushort? next) =>
        WriteDescriptor(
            table, index, buffer.Address.Value, buffer.Length,
            (ushort)((buffer.Writable ? Write : 0) | (next is null ? 0 : Next)), next ?? 0);

    private void WriteAddress(uint register, GuestAddress address)
    {
        _driver.WriteRegister(register, (uint)address.Value);
        _driver.WriteRegister(register + 4, (uint)(address.Value >> 32));
    }
}
