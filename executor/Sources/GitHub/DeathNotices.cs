using RunnerVm.Sources.GitHub.Rest;
using RunnerVm.Sources.GitHub.Runners;
using Serilog;

namespace RunnerVm.Sources.GitHub;

/// <summary>
/// Why a job's machine died, told where its owner looks: as an annotation of the workflow run. Where the token may not, that is
/// said once, and the sentence stays in the logs of this host.
/// </summary>
internal sealed class DeathNotices(string source, GitHubApi api, ILogger log)
{
    private const int LongestSentence = 4000;

    private const string UnknownWorkflow = ".github";

    private int _refused;

    public async Task TellAsync(GitHubJobFacts job, string sentence, CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _refused) != 0 || job.Repository.Split('/') is not [var owner, var name]) return;
        if (sentence.Length > LongestSentence) sentence = sentence[..LongestSentence];
        try
        {
            await api.AnnotateRunAsync(new(owner, name), job.RunId, $"runnervm: {job.Name}", WorkflowPath(job), $"Why the job {job.Name} ended", sentence, cancellationToken);
        }
        catch (GitHubException e) when (e.Fault is GitHubFault.Forbidden or GitHubFault.NotFound)
        {
            if (Interlocked.Exchange(ref _refused, 1) == 0)
                log.Warning("{Source}: why jobs died is told in this log alone, until the agent starts again. {Why}", source, e.Message);
        }
        catch (Exception e) when (e is GitHubException or UserException or OperationCanceledException)
        {
            log.Warning("{Source}: why {Job} died could not be told on its page: {Why}", source, job.ToString(), e.Message);
        }
    }

    /// <summary>From acme/app/.github/workflows/ci.yml@refs/heads/main.</summary>
    private static string WorkflowPath(GitHubJobFacts job)
    {
        var path = job.WorkflowRef?.Split('@')[0] ?? "";
        return path.StartsWith(job.Repository + "/", StringComparison.Ordinal) && path.Length > job.Repository.Length + 1 ? path[(job.Repository.Length + 1)..] : UnknownWorkflow;
    }
}
