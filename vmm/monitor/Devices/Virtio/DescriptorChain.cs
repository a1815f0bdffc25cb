using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio;

/// <summary>
/// One request, read out of the descriptor table once and checked: what the driver wrote, then what the device may write.
/// One object serves all requests of a queue.
/// </summary>
/// <param name="capacity">Most descriptors; a longer chain breaks the queue.</param>
internal sealed class DescriptorChain(int capacity)
{
    /// <summary>A request a device serves never needs more; Linux asks for at most 256.</summary>
    public const int DefaultCapacity = 512;

    private const ushort NextFlag = 1;
    private const ushort WriteFlag = 2;
    private const ushort IndirectFlag = 4;
    private const uint DescriptorBytes = 16;

    private int _seen;

    public DescriptorChain()
        : this(DefaultCapacity)
    {
    }

    /// <summary>The first descriptor; names the chain in the used ring.</summary>
    public ushort Head { get; private set; }

    /// <summary>What the driver wrote.</summary>
    public GuestBuffers Readable { get; } = new(capacity);

    /// <summary>Where the device may write.</summary>
    public GuestBuffers Writable { get; } = new(capacity);

    /// <summary>Reads the chain that begins at <paramref name="head"/>, which is below the queue's size.</summary>
    /// <exception cref="BrokenDeviceException">A loop, a link outside the table, memory that is not there.</exception>
    internal void Load(Virtqueue queue, GuestMemory memory, ushort head, bool indirectAllowed)
    {
        Head = head;
        Readable.Clear();
        Writable.Clear();
        _seen = 0;

        var index = head;
        while (true)
        {
            var descriptor = memory.Read<Descriptor>(queue.DescriptorTable + (index * DescriptorBytes));
            if ((descriptor.Flags & IndirectFlag) != 0)
            {
                if (!indirectAllowed) throw queue.Broken("desc.flags", "an indirect descriptor, which was not negotiated");
                if ((descriptor.Flags & NextFlag) != 0) throw queue.Broken("desc.flags", "indirect and next at once");
                LoadIndirect(queue, memory, descriptor);
                return;
            }

            Append(queue, memory, descriptor);
            if ((descriptor.Flags & NextFlag) == 0) return;
            if (descriptor.Next >= queue.Size) throw queue.Broken("desc.next", $"{descriptor.Next} in a table of {queue.Size}");
            if (_seen >= queue.Size) throw queue.Broken("desc.next", $"a chain of more than {queue.Size} descriptors");
            index = descriptor.Next;
        }
    }

    /// <summary>Virtio 1.2, 2.7.5.3.</summary>
    private void LoadIndirect(Virtqueue queue, GuestMemory memory, Descriptor table)
    {
        if (table.Length == 0 || table.Length % DescriptorBytes != 0)
            throw queue.Broken("desc.len", $"an indirect table of {table.Length} bytes");
        var count = table.Length / DescriptorBytes;
        if (count > ushort.MaxValue) throw queue.Broken("desc.len", $"an indirect table of {count} descriptors");
        if (!memory.Contains(new(table.Address), table.Length))
            throw queue.Broken("desc.addr", $"an indirect table of {table.Length} bytes at 0x{table.Address:x}, outside the guest's memory");

        // Descriptors of the queue's own table may come before it (2.7.5.3.2), so the table's are counted from here.
        var last = _seen + count;
        uint index = 0;
        while (true)
        {
            var descriptor = memory.Read<Descriptor>(new GuestAddress(table.Address) + (index * DescriptorBytes));
            if ((descriptor.Flags & IndirectFlag) != 0) throw queue.Broken("desc.flags", "an indirect descriptor in an indirect table");
            Append(queue, memory, descriptor);
            if ((descriptor.Flags & NextFlag) == 0) return;
            if (descriptor.Next >= count) throw queue.Broken("desc.next", $"{descriptor.Next} in an indirect table of {count}");
            if (_seen >= last) throw queue.Broken("desc.next", $"a chain that loops in an indirect table of {count}");
            index = descriptor.Next;
        }
    }

    private void Append(Virtqueue queue, GuestMemory memory, Descriptor descriptor)
    {
        _seen++;
        var writable = (descriptor.Flags & WriteFlag) != 0;
        if (!writable && Writable.Count > 0) throw queue.Broken("desc.flags", "a readable descriptor after a writable one");
        if (!memory.Contains(new(descriptor.Address), descriptor.Length))
            throw queue.Broken("desc.addr", $"{descriptor.Length} bytes at 0x{descriptor.Address:x}, outside the guest's memory");
        if (!(writable ? Writable : Readable).TryAdd(memory, new(descriptor.Address), descriptor.Length))
            throw queue.Broken("desc.len", $"a chain of more than {capacity} descriptors or 4 GiB");
    }

    /// <summary>struct virtq_desc (virtio 1.2, 2.7.5).</summary>
    private readonly struct Descriptor
    {
#pragma warning disable CS0649 // Read out of the guest's memory.
        public readonly ulong Address;
        public readonly uint Length;
        public readonly ushort Flags;
        public readonly ushort Next;
#pragma warning restore CS0649
    }
}
