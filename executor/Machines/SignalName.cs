namespace RunnerVm.Machines;

/// <summary>Of the signals that end processes, as signal(7) has them on x86.</summary>
internal static class SignalName
{
    /// <summary>A shell's, and .NET's: a process that a signal ended has this much more than the signal as its status.</summary>
    private const int Ended = 128;

    public static string? Of(int signal) => signal switch
    {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        31 => "SIGSYS",
        _ => null,
    };

    /// <summary>"3", or "134 (SIGABRT)".</summary>
    public static string WithStatus(int exitCode) => Of(exitCode - Ended) is { } name ? $"{exitCode} ({name})" : $"{exitCode}";
}
