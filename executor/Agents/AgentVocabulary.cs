using RunnerVm.Sources.GitHub;

namespace RunnerVm.Agents;

/// <summary>Every word an agent's configuration knows, in the order messages list them. <c>config/agent.schema.json</c> holds the same.</summary>
internal static class AgentVocabulary
{
    public static IReadOnlyList<string> Document { get; } = ["capacity", "runner", "images", "gitlab", "github", "logs", "listen"];

    public static IReadOnlyList<string> Capacity { get; } = ["jobs", "cpus", "memory"];

    public static IReadOnlyList<string> Runner { get; } = ["executor", "isolation", "cpus", "memory", "disk", "network"];

    public static IReadOnlyList<string> WarmImage { get; } = ["image", "warm", "cpus", "memory", "disk", "network"];

    public static IReadOnlyList<string> Logs { get; } = ["jobs", "age", "size"];

    public static IReadOnlyList<string> GitLab { get; } =
    [
        "name", "url", "token", "ca-file", "limit", "check-interval", "log-limit", "get-sources-timeout", "image", "images", "unknown-images", "network",
    ];

    public static IReadOnlyList<string> GitHub { get; } =
    [
        "name", "url", "app", "token", "mode", "group", "repositories", "check-interval", "network", "runners",
    ];

    public static IReadOnlyList<string> GitHubApp { get; } = ["id", "key", "installation"];

    public static IReadOnlyList<string> GitHubRunner { get; } =
    [
        "labels", "scale-set", "image", "cpus", "memory", "disk", "network", "limit", "idle-limit", "lifetime",
    ];

    /// <summary>Where a secret may lie.</summary>
    public static IReadOnlyList<string> Secret { get; } = ["file", "env", "credential"];

    public static IReadOnlyList<string> Image { get; } = ["match", "image", "cpus", "memory", "disk", "network"];

    /// <summary>Value: such a job gets the runner's own image.</summary>
    public static IReadOnlyDictionary<string, bool> UnknownImages { get; } = new Dictionary<string, bool>
    {
        ["refuse"] = false,
        ["use-default"] = true,
    };

    public static IReadOnlyDictionary<string, GitHubMode> GitHubModes { get; } = new Dictionary<string, GitHubMode>
    {
        ["scale-set"] = GitHubMode.ScaleSet,
        ["polling"] = GitHubMode.Polling,
    };
}
