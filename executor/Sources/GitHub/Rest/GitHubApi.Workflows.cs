using Octokit;
using RunnerVm.Sources.GitHub.Authentication;

namespace RunnerVm.Sources.GitHub.Rest;

/// <summary>What is queued. Answered from the last answer where GitHub says that nothing changed.</summary>
internal sealed partial class GitHubApi
{
    /// <summary>The newest runs of a repository in a state; at most one page, for what is older waits for these anyway.</summary>
    public async Task<IReadOnlyList<WorkflowRun>> ListRunsAsync(GitHubScope.Repository repository, CheckRunStatusFilter status, CancellationToken cancellationToken)
    {
        var answer = await CallAsync(
            $"list the workflow runs of {repository.Owner}/{repository.Name}", RunnerPermission.Actions,
            client => client.Actions.Workflows.Runs.List(
                repository.Owner, repository.Name, new WorkflowRunsRequest { Status = status }, new ApiOptions { StartPage = 1, PageCount = 1, PageSize = PageSize }),
            cancellationToken);
        return answer.WorkflowRuns;
    }

    /// <summary>The jobs of a run's latest attempt; at most 256 (a matrix's bound) of them times what the run has.</summary>
    public Task<IReadOnlyList<WorkflowJob>> ListJobsAsync(GitHubScope.Repository repository, long runId, CancellationToken cancellationToken) => CallAsync<IReadOnlyList<WorkflowJob>>(
        $"list the jobs of run {runId} of {repository.Owner}/{repository.Name}", RunnerPermission.Actions,
        async client =>
        {
            var jobs = new List<WorkflowJob>();
            for (var page = 1; ; page++)
            {
                var answer = await client.Actions.Workflows.Jobs.List(
                    repository.Owner, repository.Name, runId, new WorkflowRunJobsRequest { Filter = WorkflowRunJobsFilter.Latest },
                    new ApiOptions { StartPage = page, PageCount = 1, PageSize = PageSize });
                jobs.AddRange(answer.Jobs);
                if (answer.Jobs.Count < PageSize) return jobs;
            }
        },
        cancellationToken);
}
