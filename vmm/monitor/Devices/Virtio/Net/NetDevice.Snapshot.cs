using RunnerVm.Vmm.Monitor.Snapshots;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Net;

/// <summary>Frames on their way stay with the machine that goes on here. To one that is restored they are lost, as on any wire.</summary>
internal sealed partial class NetDevice
{
    /// <summary>A frame that waits for its tokens lies in buffers of the guest's: it is put aside, and they go back.</summary>
    public void Save(StateWriter into)
    {
        if (_held == 0 || _activation is not { } activation) return;
        _aside ??= new byte[LongestFrame];
        _asideLength = _room.CopyTo(0, _aside.AsSpan(0, (int)_held));
        _held = 0;
        PutBack(activation.Queues[Receive], 0);
    }

    public void Restore(ref StateReader from)
    {
    }
}
