using System.Globalization;
using RunnerVm.Sources.GitLab.Payload;

namespace RunnerVm.Sources.GitLab.Custom;

/// <summary>
/// What gitlab-runner tells its custom executor by the environment. CUSTOM_ENV_* is not read at all: a job can set any of
/// those, and everything that matters is in the job response file, which it cannot touch.
/// </summary>
internal sealed record CustomEnvironment(int BuildFailure, int SystemFailure, string? ExitCodeFile, string? ResponseFile)
{
    private const int DefaultBuildFailure = 1;
    private const int DefaultSystemFailure = 2;

    public static CustomEnvironment FromProcess() => new(
        Number("BUILD_FAILURE_EXIT_CODE") ?? DefaultBuildFailure,
        Number("SYSTEM_FAILURE_EXIT_CODE") ?? DefaultSystemFailure,
        Environment.GetEnvironmentVariable("BUILD_EXIT_CODE_FILE"),
        Environment.GetEnvironmentVariable("JOB_RESPONSE_FILE"));

    /// <exception cref="UserException">There is none, or it cannot be read.</exception>
    public JobResponse ReadResponse()
    {
        if (string.IsNullOrEmpty(ResponseFile))
            throw new UserException(SystemFailure, "JOB_RESPONSE_FILE is not set: 'runnervm gitlab' is called by gitlab-runner (12 or newer), not by hand. See examples/gitlab/config.toml.");
        try
        {
            return JobResponseReader.Read(File.ReadAllBytes(ResponseFile));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or MalformedJobException)
        {
            throw new UserException(SystemFailure, $"Cannot read the job in {ResponseFile}: {e.Message}", e);
        }
    }

    /// <summary>The script's own exit code, which gitlab-runner reads instead of ours.</summary>
    public void WriteExitCode(int code)
    {
        if (!string.IsNullOrEmpty(ExitCodeFile)) File.WriteAllText(ExitCodeFile, code.ToString(CultureInfo.InvariantCulture) + "\n");
    }

    private static int? Number(string name) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;
}
