using RunnerVm.Vmm.Monitor.Devices.Virtio;
using RunnerVm.Vmm.Monitor.Snapshots;

namespace RunnerVm.Tests.Vmm.Devices;

/// <summary>The smallest device: answers each request with what it read, as far as there is room.</summary>
internal sealed class EchoDevice(params ushort[] queueSizes) : IVirtioDevice
{
    private readonly DescriptorChain _chain = new();

    public string Name => "echo";

    public uint Type => 42;

    public ulong Features => 0b101;

    public IReadOnlyList<ushort> QueueSizes { get; } = queueSizes;

    public byte[] Config { get; } = [1, 2, 3, 4, 5, 6, 7, 8];

    public DeviceActivation? Activation { get; private set; }

    public int Resets { get; private set; }

    public int Notifications { get; private set; }

    public bool Disposed { get; private set; }

    /// <summary>What a notification runs instead.</summary>
    public Action<int>? Handler { get; set; }

    public void ReadConfig(uint offset, Span<byte> into)
    {
        if (offset < Config.Length) Config.AsSpan((int)offset, Math.Min(into.Length, Config.Length - (int)offset)).CopyTo(into);
    }

    public void WriteConfig(uint offset, ReadOnlySpan<byte> from)
    {
        if (offset < Config.Length) from[..Math.Min(from.Length, Config.Length - (int)offset)].CopyTo(Config.AsSpan((int)offset));
    }

    public void Activate(DeviceActivation activation) => Activation = activation;

    public void OnQueueNotified(int queue)
    {
        Notifications++;
        if (Handler is { } handler)
        {
            handler(queue);
            return;
        }

        var ring = Activation!.Queues[queue];
        Span<byte> bytes = stackalloc byte[4096];
        while (ring.TryPop(_chain))
        {
            var read = _chain.Readable.CopyTo(0, bytes);
            ring.Push(_chain.Head, (uint)_chain.Writable.CopyFrom(0, bytes[..read]));
        }

        ring.NotifyDriver();
    }

    public void Save(StateWriter into) => into.Bytes(Config);

    public void Restore(ref StateReader from) => from.Bytes("what it knows", Config.Length).CopyTo(Config);

    public void Reset()
    {
        Resets++;
        Activation = null;
    }

    public void Dispose() => Disposed = true;
}
