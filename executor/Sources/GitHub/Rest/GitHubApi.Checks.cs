using Octokit;
using RunnerVm.Sources.GitHub.Authentication;

namespace RunnerVm.Sources.GitHub.Rest;

/// <summary>Words of ours on GitHub's pages.</summary>
internal sealed partial class GitHubApi
{
    /// <summary>
    /// Puts a check with one annotation beside the jobs of a workflow run. A job's own check belongs to GitHub, which lets
    /// nobody else write on it.
    /// </summary>
    /// <param name="name">Of the check.</param>
    /// <param name="path">Of the file the annotation stands at.</param>
    /// <exception cref="GitHubException"><see cref="GitHubFault.Forbidden"/> or <see cref="GitHubFault.NotFound"/>: this token may not.</exception>
    public async Task AnnotateRunAsync(GitHubScope.Repository repository, long runId, string name, string path, string title, string sentence, CancellationToken cancellationToken)
    {
        var commit = await CallAsync(
            $"look at run {runId} of {repository.Owner}/{repository.Name}", RunnerPermission.Actions,
            async client => (await client.Actions.Workflows.Runs.Get(repository.Owner, repository.Name, runId)).HeadSha,
            cancellationToken);
        var annotation = new NewCheckRunAnnotation(path, 1, 1, CheckAnnotationLevel.Failure, sentence) { Title = title };
        // Neutral: the job itself has failed already, and once is enough.
        var check = new NewCheckRun(name, commit)
        {
            Status = CheckStatus.Completed, Conclusion = CheckConclusion.Neutral, Output = new NewCheckRunOutput(title, sentence) { Annotations = [annotation] },
        };
        await CallAsync(
            $"annotate run {runId} of {repository.Owner}/{repository.Name}", RunnerPermission.Checks, client => client.Check.Run.Create(repository.Owner, repository.Name, check), cancellationToken);
    }
}
