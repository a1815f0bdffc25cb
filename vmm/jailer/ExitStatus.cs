namespace RunnerVm.Vmm.Jailer;

/// <summary>
/// What the jailer ends with. Where it becomes the program (neither <c>--daemonize</c> nor <c>--new-pid-ns</c>) the status is the
/// program's from then on, so a failure is told by a number that programs seldom use, as chroot(1) and env(1) do.
/// </summary>
internal static class ExitStatus
{
    /// <summary>The program runs in a process of its own.</summary>
    public const int Started = 0;

    /// <summary>The command line or something it names is wrong; nothing was touched.</summary>
    public const int BadArguments = 2;

    /// <summary>A step of the jail failed. What was made until then is left: folder and cgroups of this id.</summary>
    public const int JailFailed = 125;

    /// <summary>The jail stands, but the program cannot be started in it.</summary>
    public const int CannotStart = 126;
}
