namespace RunnerVm.GuestAgent.Boot;

/// <summary>
/// Whether this process is the first of a gVisor sandbox rather than of a machine. There the kernel's file systems are
/// mounted, modules, disks and reboots do not exist, and clock and random numbers are the host's and always fresh.
/// </summary>
internal static class Sandbox
{
    private const string Variable = "runnervm_socket";

    /// <summary>Path of the host's Unix socket, in a folder that is mounted for it; null in a machine.</summary>
    public static string? HostSocket { get; } = Environment.GetEnvironmentVariable(Variable);

    public static bool IsOurs => HostSocket is not null;
}
