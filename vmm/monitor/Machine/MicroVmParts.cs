using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Devices.Legacy;

namespace RunnerVm.Vmm.Monitor.Machine;

/// <summary>What a machine owns beside its vCPUs, in the order it came; it goes the other way round.</summary>
internal sealed class MicroVmParts(EventLoop loop, Action<GuestEnd> ended) : IDisposable
{
    private readonly Stack<IDisposable> _owned = new();

    public EventLoop Loop => loop;

    public Action<GuestEnd> Ended => ended;

    public SerialOutput Console { get; set; } = null!;

    public I8042 Keyboard { get; set; } = null!;

    public T Own<T>(T part)
        where T : IDisposable
    {
        _owned.Push(part);
        return part;
    }

    public void Dispose()
    {
        while (_owned.TryPop(out var part)) part.Dispose();
    }
}
