using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Devices.Legacy;
using RunnerVm.Vmm.Monitor.Snapshots;
using RunnerVm.Vmm.Native.Kvm;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Machine;

/// <summary>What a machine owns beside its vCPUs, in the order it came; it goes the other way round.</summary>
internal sealed class MicroVmParts(EventLoop loop, Action<GuestEnd> ended) : IDisposable
{
    private readonly Stack<IDisposable> _owned = new();

    private bool _over;

    public KvmVm Vm { get; set; } = null!;

    public GuestMemory Memory { get; set; } = null!;

    public SnapshotSupport Support { get; set; } = null!;

    public SerialOutput Console { get; set; } = null!;

    public SerialPort Serial { get; set; } = null!;

    public I8042 Keyboard { get; set; } = null!;

    public VirtioDevices Virtio { get; set; } = null!;

    /// <summary>Called on the loop before the end is told: the guest must not go on.</summary>
    public Action? Stop { get; set; }

    /// <summary>Any thread. The first end is the end; it is told on the loop.</summary>
    public void End(GuestEnd end) => loop.Post(() =>
    {
        if (_over) return;
        _over = true;
        Stop?.Invoke();
        Console.Flush();
        ended(end);
    });

    public T Own<T>(T part)
        where T : IDisposable
    {
        _owned.Push(part);
        return part;
    }

    public void Dispose()
    {
        _over = true; // An end that is still on its way to the loop finds nobody.
        while (_owned.TryPop(out var part)) part.Dispose();
    }
}
