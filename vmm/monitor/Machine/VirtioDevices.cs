using RunnerVm.Vmm.Monitor.Bus;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Devices.Virtio;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Balloon;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Block;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Net;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Rng;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;
using RunnerVm.Vmm.Monitor.Snapshots;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Kvm;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Machine;

/// <summary>The machine's virtio devices, each behind its transport, and the names by which they are asked for later.</summary>
internal sealed class VirtioDevices : IDisposable
{
    private readonly List<MmioTransport> _transports = [];
    private readonly List<EventFd> _interrupts = [];
    private readonly Dictionary<string, (MmioTransport Transport, BlockDevice Device)> _drives = [];
    private readonly Dictionary<string, (MmioTransport Transport, NetDevice Device)> _networkInterfaces = [];

    public IReadOnlyList<VirtioSlot> Slots { get; private set; } = [];

    public IEnumerable<BusRange> Ranges => _transports.Select((transport, i) => new BusRange(Slots[i].Address, MmioTransport.RegionSize, transport));

    public (MmioTransport Transport, BalloonDevice Device)? Balloon { get; private set; }

    public VsockDevice? Vsock { get; private set; }

    public RngDevice? Entropy { get; private set; }

    public IEnumerable<(string Id, BlockDevice Device)> Drives => _drives.Select(static drive => (drive.Key, drive.Value.Device));

    public IEnumerable<(string Id, NetDevice Device)> NetworkInterfaces => _networkInterfaces.Select(static network => (network.Key, network.Value.Device));

    /// <exception cref="VmmFaultException">There is none of that name.</exception>
    public (MmioTransport Transport, BlockDevice Device) Drive(string id) => _drives.TryGetValue(id, out var found)
        ? found
        : throw new VmmFaultException($"There is no drive {id}. The machine's drives: {Names(_drives.Keys)}.");

    /// <exception cref="VmmFaultException">There is none of that name.</exception>
    public (MmioTransport Transport, NetDevice Device) NetworkInterface(string id) => _networkInterfaces.TryGetValue(id, out var found)
        ? found
        : throw new VmmFaultException($"There is no network interface {id}. The machine's interfaces: {Names(_networkInterfaces.Keys)}.");

    /// <summary>
    /// Makes the devices, in Firecracker's order, and connects registers and interrupts to KVM. What was made before a failure
    /// goes with this object.
    /// </summary>
    /// <exception cref="VmmFaultException">A device's host side is not right, or there are too many.</exception>
    public void Add(VmResources resources, IEnumerable<Func<GuestMemory, IVirtioDevice>> others, VirtioWiring wiring)
    {
        if (resources.Balloon is { } balloon)
        {
            var device = new BalloonDevice(balloon, wiring.Memory);
            Balloon = (Connect(device, wiring), device);
        }

        foreach (var drive in resources.Drives)
        {
            var device = new BlockDevice(drive);
            _drives.Add(drive.DriveId, (Connect(device, wiring), device));
        }

        foreach (var network in resources.NetworkInterfaces)
        {
            var device = new NetDevice(network, wiring.Responder(network));
            _networkInterfaces.Add(network.IfaceId, (Connect(device, wiring), device));
        }

        if (resources.Vsock is { } vsock) Connect(Vsock = new VsockDevice(vsock), wiring);
        if (resources.Entropy is { } entropy) Connect(Entropy = new RngDevice(entropy), wiring);
        foreach (var make in others) Connect(make(wiring.Memory), wiring);
    }

    public void Save(StateWriter into)
    {
        into.Number((byte)_transports.Count);
        foreach (var transport in _transports) transport.Save(into);
    }

    /// <exception cref="BadStateException">These are not the devices that were saved.</exception>
    public void Restore(ref StateReader from)
    {
        var count = from.Number<byte>();
        if (count != _transports.Count) throw BadStateException.Damaged($"it has {count} devices and its configuration {_transports.Count}");
        foreach (var transport in _transports) transport.Restore(ref from);
    }

    /// <summary>A device's own end may still need its interrupt; no vCPU may run any more.</summary>
    public void Dispose()
    {
        foreach (var transport in _transports) transport.Dispose();
        foreach (var interrupt in _interrupts) interrupt.Dispose();
    }

    private MmioTransport Connect(IVirtioDevice device, VirtioWiring wiring)
    {
        if (_transports.Count == VirtioSlot.Most)
        {
            device.Dispose();
            throw new VmmFaultException($"A machine has at most {VirtioSlot.Most} devices, one interrupt line each. Take some out.");
        }

        var slot = VirtioSlot.Number(_transports.Count);
        var interrupt = new EventFd();
        _interrupts.Add(interrupt);
        var transport = new MmioTransport(device, wiring.Memory, wiring.Loop, interrupt, wiring.Broken);
        _transports.Add(transport);
        Slots = [.. Slots, slot];
        wiring.Vm.ConnectInterrupt(interrupt, slot.Gsi);
        for (var queue = 0; queue < transport.QueueEvents.Count; queue++)
            wiring.Vm.ConnectMmioWrite(transport.QueueEvents[queue], slot.Address + MmioTransport.NotifyOffset, (uint)queue);
        return transport;
    }

    private static string Names(IEnumerable<string> names) => string.Join(", ", names.DefaultIfEmpty("none"));
}

/// <summary>What connects devices to the machine.</summary>
/// <param name="Responder">Who answers on an interface beside the host's network; null for nobody.</param>
internal sealed record VirtioWiring(
    KvmVm Vm, GuestMemory Memory, EventLoop Loop, Action<BrokenDeviceException> Broken, Func<NetworkInterface, IFrameResponder?> Responder);
