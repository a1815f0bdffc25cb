using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>
/// Looks at the scratch disk now and then while a step runs, and remembers whether it was full. Whoever waits for the step's output does
/// the looking: a timer of its own would wake two threads.
/// </summary>
/// <param name="disk">Any file on the disk, or null: then nothing is watched.</param>
internal sealed class DiskWatch(SafeFileHandle? disk)
{
    private const ulong FullBytes = 1024 * 1024;
    private const int IntervalMilliseconds = 250;

    private long _looked = Environment.TickCount64;
    private volatile bool _wasFull;

    /// <summary>How long to wait for something else before the next look; -1 for ever.</summary>
    public int Milliseconds => disk is null ? -1 : IntervalMilliseconds;

    /// <summary>Looks if it is time to.</summary>
    public void LookNowAndThen()
    {
        if (disk is null || Environment.TickCount64 - _looked < IntervalMilliseconds) return;
        _looked = Environment.TickCount64;
        Look();
    }

    /// <summary>Looks once more.</summary>
    public bool WasFull()
    {
        Look();
        return _wasFull;
    }

    private unsafe void Look()
    {
        if (disk is null) return;
        Libc.StatVfs room;
        // SAFETY: the structure has room for glibc's.
        if (Libc.fstatvfs(disk, &room) == 0 && room.f_bavail * room.f_frsize < FullBytes) _wasFull = true;
    }
}
