using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio;

/// <summary>What a device is given when its driver is ready, and may keep until it is reset.</summary>
internal sealed record DeviceActivation
{
    public required GuestMemory Memory { get; init; }

    /// <summary>One for each of <see cref="IVirtioDevice.QueueSizes"/>; those the driver left alone are not <see cref="Virtqueue.Ready"/> and stay empty.</summary>
    public required IReadOnlyList<Virtqueue> Queues { get; init; }

    /// <summary>What driver and device agreed on.</summary>
    public required ulong Features { get; init; }

    public required IDeviceHost Host { get; init; }

    public bool Has(int feature) => (Features & (1ul << feature)) != 0;
}

/// <summary>The transport, as the device sees it.</summary>
internal interface IDeviceHost
{
    /// <summary>Tells the driver that the configuration space has changed (virtio 1.2, 4.2.3.2).</summary>
    void ConfigurationChanged();

    /// <summary>
    /// Has the device asked again to serve a queue, after everybody else on the loop had their turn: for a device that has done
    /// its share and sees more. Without it a driver that adds as fast as we serve would keep the loop to itself.
    /// </summary>
    void NotifyAgain(int queue);

    /// <summary>Has <paramref name="handler"/> called on the event loop, under the device's lock, when the descriptor is ready.</summary>
    Watch Watch(FileDescriptor descriptor, EpollEvents events, Action<EpollEvents> handler);
}
