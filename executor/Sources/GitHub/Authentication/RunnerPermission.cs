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

    /// <summary>For looking at queued jobs.</summary>
    public const string Actions = "the repository permission Actions: read (classic token: repo)";
}
