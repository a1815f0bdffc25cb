using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>Looks at the scratch disk now and then while a step runs, and remembers whether it was full.</summary>
internal sealed class DiskWatch : IDisposable
{
    private const ulong FullBytes = 1024 * 1024;
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(250);

    private readonly SafeFileHandle? _disk;
    private readonly ITimer? _timer;
    private volatile bool _wasFull;

    /// <param name="disk">Any file on the disk, or null: then nothing is watched.</param>
    public DiskWatch(SafeFileHandle? disk, TimeProvider time)
    {
        _disk = disk;
        if (disk is not null) _timer = time.CreateTimer(static self => ((DiskWatch)self!).Look(), this, s_interval, s_interval);
    }

    /// <summary>Looks once more.</summary>
    public bool WasFull()
    {
        Look();
        return _wasFull;
    }

    public void Dispose() => _timer?.Dispose();

    private unsafe void Look()
    {
        if (_disk is null) return;
        Libc.StatVfs room;
        // SAFETY: the structure has room for glibc's.
        if (Libc.fstatvfs(_disk, &room) == 0 && room.f_bavail * room.f_frsize < FullBytes) _wasFull = true;
    }
}
