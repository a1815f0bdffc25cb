using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Boot;

/// <summary>
/// Ends the machine. Always by a reboot: every engine is started so that a reset ends it (QEMU's -no-reboot, Firecracker
/// by itself), while power-off needs ACPI, which not every machine has.
/// </summary>
internal static class PowerSwitch
{
    private const int SyncMilliseconds = 2_000;

    /// <param name="why">One line for the console, or null when the host asked for it.</param>
    public static void Off(string? why)
    {
        if (why is not null) AgentConsole.Line(why);
        // A sandbox is over when its first process is.
        if (Sandbox.IsOurs) Libc._exit(why is null ? 0 : 1);
        LinuxException.ThrowIfNegative(Libc.reboot(Libc.RB_AUTOBOOT), "Cannot reset the machine");
    }

    /// <summary>Writes dirty pages out first, as long as that is quick.</summary>
    public static void SyncAndOff()
    {
        var sync = new Thread(Libc.sync) { IsBackground = true };
        sync.Start();
        sync.Join(SyncMilliseconds);
        Off(why: null);
    }
}
