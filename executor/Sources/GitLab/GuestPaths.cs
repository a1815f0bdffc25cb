using RunnerVm.Jobs;
using RunnerVm.Sources.GitLab.Payload;

namespace RunnerVm.Sources.GitLab;

/// <summary>Where a GitLab job's things lie in its machine.</summary>
/// <param name="Project">CI_PROJECT_DIR.</param>
internal sealed record GuestPaths(string Project)
{
    /// <summary>CI_BUILDS_DIR: what lies on the scratch disk without a layer between.</summary>
    public const string Builds = StepPlan.Workspace;

    /// <summary>Where gitlab-runner believes its caches to be; the host keeps them.</summary>
    public const string Cache = "/cache";

    /// <summary>Scripts, file variables, git's credentials: in memory.</summary>
    public const string Memory = "/run/gitlab";

    /// <summary>What a step passes to the next ones (GITLAB_ENV).</summary>
    public const string EnvironmentFile = $"{Memory}/gitlab_runner_env";

    /// <summary>Git's credentials: the only place in the guest with the job token besides its variable.</summary>
    public const string GitCredentials = $"{Memory}/git-credentials";

    /// <summary>Apart from the files of ours: a job names its variables as it likes.</summary>
    public static string FileVariable(string name) => $"{Memory}/variables/{name}";

    /// <exception cref="JobRefusedException">The project's path is none.</exception>
    public static GuestPaths For(JobResponse payload)
    {
        var path = payload.JobInfo.ProjectFullPath.Length > 0 ? payload.JobInfo.ProjectFullPath : PathOf(payload.GitInfo.RepoUrl);
        var parts = path.Split('/');
        if (parts.Any(static p => p is "" or "." or ".." || !p.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')))
            throw new JobRefusedException($"The project's path \"{new string([.. path.Take(100).Where(static c => !char.IsControl(c))])}\" is not one of GitLab's.");
        return new($"{Builds}/{path}");
    }

    private static string PathOf(string repository)
    {
        if (!Uri.TryCreate(repository, UriKind.Absolute, out var url)) return "";
        var path = url.AbsolutePath.Trim('/');
        return path.EndsWith(".git", StringComparison.Ordinal) ? path[..^4] : path;
    }
}
