namespace RunnerVm.Vmm.Monitor.Start;

/// <summary>Of the program, where the guest's end does not say; Firecracker's numbers.</summary>
internal static class ExitStatus
{
    public const int Failed = 1;

    /// <summary>The configuration file, or what it asks for.</summary>
    public const int BadConfiguration = 152;

    /// <summary>The command line.</summary>
    public const int BadArguments = 153;
}
