using RunnerVm.Vmm.Monitor.Snapshots;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Balloon;

/// <summary>How full it is, and the buffer for figures that the driver left with us.</summary>
internal sealed partial class BalloonDevice
{
    public void Save(StateWriter into)
    {
        into.Number(_targetPages);
        into.Number(_actualPages);
        into.Flag(_heldBuffer is not null);
        into.Number(_heldBuffer ?? 0);
    }

    public void Restore(ref StateReader from)
    {
        _targetPages = from.Number("the balloon's size", 0u, (uint)Math.Min(_memory.Size / 4096, uint.MaxValue));
        _actualPages = from.Number<uint>();
        var holds = from.Flag("the balloon's buffer");
        var head = from.Number<ushort>();
        if (holds && _activation is { } activation && _statisticsQueue >= 0 && head < activation.Queues[_statisticsQueue].Size) _heldBuffer = head;
    }
}
