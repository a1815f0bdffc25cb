using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Snapshots;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Block;

/// <summary>A request is begun and answered in one go, so none is ever under way between two of them.</summary>
internal sealed partial class BlockDevice
{
    /// <summary>What the guest was told is written is with the file, wherever it goes from here.</summary>
    public void Save(StateWriter into)
    {
        if (_drive is { CacheType: CacheType.Writeback, IsReadOnly: false }) _disk.Flush();
        into.Number(_disk.Sectors);
    }

    /// <summary>There may be another file behind the drive by now; of another size is all the driver can be told.</summary>
    public void Restore(ref StateReader from)
    {
        if (from.Number<ulong>() != _disk.Sectors) _activation?.Host.ConfigurationChanged();
    }
}
