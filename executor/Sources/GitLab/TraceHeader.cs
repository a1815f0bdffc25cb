using RunnerVm.Sources.GitLab.Traces;

namespace RunnerVm.Sources.GitLab;

/// <summary>The first lines of every job's log, as people know them from GitLab.</summary>
internal static class TraceHeader
{
    public static async Task WriteAsync(JobTrace trace, GitLabRunnerOptions runner, string systemId)
    {
        await trace.SayAsync($"Running with runnervm {Product.Version}");
        await trace.SayAsync($"  on {runner.Name} {runner.ShortToken}, system ID: {systemId}");
    }
}
