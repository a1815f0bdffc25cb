using System.Globalization;
using RunnerVm.Sources.GitLab.Payload;

namespace RunnerVm.Sources.GitLab.Variables;

/// <summary>What the runner itself tells a job, around what GitLab sends.</summary>
internal static class RunnerVariables
{
    /// <summary>A file of certificates that whoever speaks with the server has to trust.</summary>
    public const string CaFile = "CI_SERVER_TLS_CA_FILE";

    private const string FeaturePrefix = "FF_";

    /// <summary>All of a job's variables in order of precedence: defaults of ours, the job's own, facts of ours.</summary>
    public static JobVariables Compose(JobResponse payload, RunnerFacts runner, GuestPaths paths) => new(
        [.. Defaults(payload, runner, paths), .. payload.Variables.Where(static v => !v.Key.StartsWith(FeaturePrefix, StringComparison.Ordinal)), .. Facts()],
        GuestPaths.FileVariable);

    private static IEnumerable<JobVariable> Defaults(JobResponse payload, RunnerFacts runner, GuestPaths paths)
    {
        yield return JobVariables.Own("CI_RUNNER_SHORT_TOKEN", runner.ShortToken);
        yield return JobVariables.Own("CI_BUILDS_DIR", GuestPaths.Builds);
        yield return JobVariables.Own("CI_PROJECT_DIR", paths.Project);
        // One machine a job: no two of them ever meet.
        yield return JobVariables.Own("CI_CONCURRENT_ID", "0");
        yield return JobVariables.Own("CI_CONCURRENT_PROJECT_ID", "0");
        yield return JobVariables.Own("CI_SERVER", "yes");
        yield return JobVariables.Own("CI_JOB_STATUS", "running");
        yield return JobVariables.Own("CI_JOB_TIMEOUT", payload.RunnerInfo.Timeout.TotalSeconds.ToString("0", CultureInfo.InvariantCulture));
        if (runner.CaCertificates is { } certificates) yield return new(CaFile, certificates, Public: true, File: true, Masked: false, Raw: true);
        if (payload.Image is { Name: { Length: > 0 } image }) yield return new("CI_JOB_IMAGE", image, Public: true, File: false, Masked: false, Raw: false);
    }

    private static IEnumerable<JobVariable> Facts()
    {
        yield return JobVariables.Own("CI_DISPOSABLE_ENVIRONMENT", "true");
        yield return JobVariables.Own("CI_RUNNER_VERSION", Product.Version);
        yield return JobVariables.Own("CI_RUNNER_REVISION", Product.Version);
        yield return JobVariables.Own("CI_RUNNER_EXECUTABLE_ARCH", "linux/amd64");
        yield return JobVariables.Own("RUNNER_TEMP_PROJECT_DIR", GuestPaths.Memory);
        yield return JobVariables.Own("GITLAB_ENV", GuestPaths.EnvironmentFile);
    }
}
