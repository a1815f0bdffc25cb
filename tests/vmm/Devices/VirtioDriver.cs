using System.Diagnostics;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Devices.Virtio;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Tests.Vmm.Devices;

/// <summary>
/// A guest without a processor: memory, a device behind its transport, an event loop that runs when the test says so, and
/// the driver's way to all of it, register by register.
/// </summary>
internal sealed class VirtioDriver : IDisposable
{
    public const uint Acknowledge = 1, Driver = 2, DriverOk = 4, FeaturesOk = 8, NeedsReset = 0x40, Failed = 0x80;

    private readonly bool _ownsLoop;
    private readonly bool _ownsMemory;
    private ulong _free;

    /// <param name="device">Taken over by the transport.</param>
    /// <param name="memory">Null: 4 MiB that begin at address 0. Allocations begin at 64 KiB.</param>
    /// <param name="loop">Null: one of its own.</param>
    public VirtioDriver(IVirtioDevice device, GuestMemory? memory = null, EventLoop? loop = null)
    {
        (_ownsMemory, _ownsLoop) = (memory is null, loop is null);
        Memory = memory ?? new GuestMemory([new(new(0), MappedRegion.Anonymous(4 << 20))]);
        Loop = loop ?? new EventLoop();
        Transport = new MmioTransport(device, Memory, Loop, Interrupt, Problems.Add);
        _free = Memory.Regions[0].Start.Value + 0x10000;
    }

    public GuestMemory Memory { get; }

    public EventLoop Loop { get; }

    public EventFd Interrupt { get; } = new();

    public MmioTransport Transport { get; }

    /// <summary>What the transport reported as broken.</summary>
    public List<BrokenDeviceException> Problems { get; } = [];

    /// <summary>Since <see cref="SetUp"/>.</summary>
    public IReadOnlyList<VirtqueueDriver> Queues { get; private set; } = [];

    public ulong Features { get; private set; }

    public uint Status
    {
        get => ReadRegister(0x70);
        set => WriteRegister(0x70, value);
    }

    public ulong OfferedFeatures
    {
        get
        {
            WriteRegister(0x14, 0);
            ulong low = ReadRegister(0x10);
            WriteRegister(0x14, 1);
            return low | ((ulong)ReadRegister(0x10) << 32);
        }
    }

    /// <summary>From reset to DRIVER_OK with all queues of the device.</summary>
    /// <param name="features">Null: all that are offered.</param>
    /// <param name="queueSize">Null: the largest.</param>
    public VirtioDriver SetUp(ulong? features = null, ushort? queueSize = null)
    {
        if (!Negotiate(features)) throw new InvalidOperationException("The device did not agree with the features.");
        Queues = [.. Enumerable.Range(0, Transport.QueueEvents.Count).Select(index => new VirtqueueDriver(this, index, queueSize))];
        foreach (var queue in Queues) queue.Announce();
        Status |= DriverOk;
        return this;
    }

    /// <summary>From reset to FEATURES_OK; false when the device did not agree.</summary>
    public bool Negotiate(ulong? features = null)
    {
        Status = 0;
        Status |= Acknowledge;
        Status |= Driver;
        Features = features ?? OfferedFeatures;
        WriteRegister(0x24, 0);
        WriteRegister(0x20, (uint)Features);
        WriteRegister(0x24, 1);
        WriteRegister(0x20, (uint)(Features >> 32));
        Status |= FeaturesOk;
        return (Status & FeaturesOk) != 0;
    }

    public uint ReadRegister(uint offset) => BitConverter.ToUInt32(ReadBytes(offset, 4));

    public void WriteRegister(uint offset, uint value) => Transport.Write(offset, BitConverter.GetBytes(value));

    public byte[] ReadConfig(uint offset, int length) => ReadBytes(0x100 + offset, length);

    public uint ReadConfig32(uint offset) => BitConverter.ToUInt32(ReadConfig(offset, 4));

    public ulong ReadConfig64(uint offset) => BitConverter.ToUInt64(ReadConfig(offset, 8));

    public void WriteConfig(uint offset, params byte[] bytes) => Transport.Write(0x100 + offset, bytes);

    /// <summary>Reason bits of an interrupt that came, acknowledged; zero when none did.</summary>
    public uint TakeInterrupt()
    {
        if (Interrupt.Drain() == 0) return 0;
        var reasons = ReadRegister(0x60);
        WriteRegister(0x64, reasons);
        return reasons;
    }

    /// <summary>Runs the loop until nobody has anything left to do.</summary>
    public void Pump()
    {
        while (Loop.RunOnce(0))
        {
        }
    }

    /// <summary>Runs the loop until something is so; throws after ten seconds.</summary>
    public void PumpUntil(Func<bool> condition, string what)
    {
        var start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (Stopwatch.GetElapsedTime(start).TotalSeconds > 60) throw new TimeoutException($"Not within a minute: {what}.");
            Loop.RunOnce(20);
        }
    }

    /// <summary>Zeroed guest memory that nobody else has.</summary>
    public GuestAddress Allocate(uint length, uint alignment = 16)
    {
        var address = (_free + alignment - 1) / alignment * alignment;
        _free = address + length;
        return Memory.Contains(new(address), length) ? new(address) : throw new InvalidOperationException("The test's guest is out of memory.");
    }

    /// <summary>A buffer the device may read.</summary>
    public GuestBuffer Place(params ReadOnlySpan<byte> bytes)
    {
        var address = Allocate((uint)bytes.Length);
        Memory.Write(address, bytes);
        return new(address, (uint)bytes.Length, Writable: false);
    }

    /// <summary>A buffer the device may write.</summary>
    public GuestBuffer Reserve(uint length) => new(Allocate(length), length, Writable: true);

    public byte[] Bytes(GuestBuffer buffer)
    {
        var bytes = new byte[buffer.Length];
        Memory.Read(buffer.Address, bytes);
        return bytes;
    }

    public void Dispose()
    {
        Transport.Dispose();
        Interrupt.Dispose();
        if (_ownsLoop) Loop.Dispose();
        if (_ownsMemory) Memory.Dispose();
    }

    private byte[] ReadBytes(uint offset, int length)
    {
        var bytes = new byte[length];
        Transport.Read(offset, bytes);
        return bytes;
    }
}

/// <summary>One descriptor's worth of guest memory.</summary>
internal readonly record struct GuestBuffer(GuestAddress Address, uint Length, bool Writable)
{
    public GuestBuffer Slice(uint offset, uint length) => new(Address + offset, length, Writable);
}
