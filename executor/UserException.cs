namespace RunnerVm;

/// <summary>
/// Something a person can act on. The message says what was attempted, on what, why it failed and what to do;
/// it is printed as it stands, without a stack trace.
/// </summary>
internal sealed class UserException : Exception
{
    public UserException(int exitCode, string message, Exception? cause = null)
        : base(message, cause) => ExitCode = exitCode;

    /// <summary>What the process ends with; see <see cref="ExitCodes"/>.</summary>
    public int ExitCode { get; }
}

/// <summary>
/// Exit codes of <c>runnervm</c>. A job's own code is passed through, so ours sit where shells and tests rarely do.
/// </summary>
internal static class ExitCodes
{
    public const int Ok = 0;

    /// <summary>A command other than a job failed in an ordinary way.</summary>
    public const int Failed = 1;

    /// <summary>The command line is wrong.</summary>
    public const int Usage = 2;

    /// <summary>The job or configuration file is wrong.</summary>
    public const int BadFile = 120;

    /// <summary>The job could not be started, or was lost, by our fault or the host's.</summary>
    public const int RunnerFailed = 121;

    /// <summary>The job's or a step's timeout was over (as in timeout(1)).</summary>
    public const int TimedOut = 124;

    /// <summary>Cancelled by Ctrl-C or a signal (128 + SIGINT).</summary>
    public const int Cancelled = 130;
}
