using RunnerVm.Vmm.Monitor.Snapshots;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio;

/// <summary>
/// What a device is beside its transport: features and configuration space to show, queues to serve. Negotiation, status,
/// queue addresses and interrupts are the transport's (virtio 1.2, 4.2).
/// </summary>
/// <remarks>
/// Threads: every call comes under the device's lock, from the event loop or from the vCPU that touched a register, so a
/// device needs no lock of its own and never blocks. A device may throw <see cref="BrokenDeviceException"/> only: it stops
/// the machine. A request that is merely wrong is answered with the device's error status.
/// </remarks>
internal interface IVirtioDevice : IDisposable
{
    /// <summary>For messages and metrics: <c>block rootfs</c>, <c>vsock</c>.</summary>
    string Name { get; }

    /// <summary>Device id (virtio 1.2, 5).</summary>
    uint Type { get; }

    /// <summary>Feature bits of this device type. The transport adds VERSION_1 and the ring features.</summary>
    ulong Features { get; }

    /// <summary>The largest size of each queue, a power of two of at most 1024.</summary>
    IReadOnlyList<ushort> QueueSizes { get; }

    /// <summary>Configuration space; bytes the device does not have read as zero, so <paramref name="into"/> comes zeroed.</summary>
    void ReadConfig(uint offset, Span<byte> into);

    /// <summary>Configuration space; what cannot be written is ignored.</summary>
    void WriteConfig(uint offset, ReadOnlySpan<byte> from);

    /// <summary>The driver is ready (DRIVER_OK). The device keeps the activation until <see cref="Reset"/>.</summary>
    void Activate(DeviceActivation activation);

    /// <summary>The driver made buffers available, or may have. Runs on the event loop.</summary>
    void OnQueueNotified(int queue);

    /// <summary>Of what <see cref="Save"/> writes.</summary>
    byte SnapshotVersion => 1;

    /// <summary>
    /// What it knows beyond its configuration, on the event loop while no vCPU runs. Requests it has taken and not answered go
    /// back to their queues first.
    /// </summary>
    void Save(StateWriter into);

    /// <summary>
    /// The same, into a new device of the same configuration; after <see cref="Activate"/> where the driver was ready. Nothing in
    /// it is believed.
    /// </summary>
    /// <exception cref="BadStateException">It cannot be.</exception>
    void Restore(ref StateReader from);

    /// <summary>Back to before <see cref="Activate"/>: forgets queues, stops watching. The driver may activate again.</summary>
    void Reset();
}
