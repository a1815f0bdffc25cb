namespace RunnerVm.Sources.GitHub.Authentication;

/// <summary>What a token must be allowed for runners to be made, in the words of GitHub's pages.</summary>
internal static class RunnerPermission
{
    public static string Of(GitHubScope scope) => scope switch
    {
        GitHubScope.Repository => "the repository permission Administration: write (classic token: repo)",
        GitHubScope.Organization => "the organization permission Self-hosted runners: write (classic token: admin:org)",
        _ => "a classic token with manage_runners:enterprise",
    };

    /// <summary>For telling on GitHub's page why a job's machine died.</summary>
    public const string Checks = "the repository permission Checks: write, which only a GitHub App can have";

    /// <summary>For looking at queued jobs.</summary>
    public const string Actions = "the repository permission Actions: read (classic token: repo)";
}
