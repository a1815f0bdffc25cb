namespace RunnerVm.GuestAgent.Network;

/// <summary>PID 1 starts with 1,024 descriptors; each connection of the job takes one of the agent's.</summary>
internal static unsafe class DescriptorLimit
{
    private const ulong Wanted = 65_536;

    public static void Raise()
    {
        var limits = stackalloc ulong[2];
        // SAFETY: struct rlimit is two unsigned longs.
        if (NetworkCalls.getrlimit(NetworkCalls.RLIMIT_NOFILE, limits) < 0 || limits[0] >= Wanted) return;
        limits[0] = Wanted;
        limits[1] = Math.Max(limits[1], Wanted);
        // A refusal leaves the old limit, and with it fewer connections at once.
        _ = NetworkCalls.setrlimit(NetworkCalls.RLIMIT_NOFILE, limits);
    }
}
