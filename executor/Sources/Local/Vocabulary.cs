using RunnerVm.Jobs;

namespace RunnerVm.Sources.Local;

/// <summary>Every word a job file knows, in the order messages list them. <c>config/job.schema.json</c> holds the same.</summary>
internal static class Vocabulary
{
    public static IReadOnlyList<string> Document { get; } = ["job", "runner"];

    public static IReadOnlyList<string> Job { get; } =
    [
        "name", "image", "env", "secrets", "before_script", "script", "after_script", "steps", "workspace", "artifacts", "timeout",
    ];

    public static IReadOnlyList<string> Step { get; } =
    [
        "name", "run", "shell", "env", "working-directory", "if", "continue-on-error", "timeout",
    ];

    public static IReadOnlyList<string> Secret { get; } = ["env", "file", "stdin"];

    public static IReadOnlyList<string> Workspace { get; } = ["path", "all"];

    public static IReadOnlyList<string> Artifacts { get; } = ["paths", "exclude", "when"];

    public static IReadOnlyList<string> Runner { get; } =
    [
        "executor", "isolation", "cpus", "memory", "disk", "kernel", "timeout", "network",
    ];

    public static IReadOnlyList<string> Network { get; } = ["allow", "deny", "mode"];

    public static IReadOnlyDictionary<string, string> Engines { get; } =
        new[] { "auto", "vmm", "firecracker", "qemu", "gvisor" }.ToDictionary(name => name);

    public static IReadOnlyDictionary<string, Isolation> Isolations { get; } = new Dictionary<string, Isolation>
    {
        ["kernel-level"] = Isolation.Kernel,
        ["process-level"] = Isolation.Process,
    };

    /// <summary>Value: only audit.</summary>
    public static IReadOnlyDictionary<string, bool> NetworkModes { get; } = new Dictionary<string, bool>
    {
        ["enforce"] = false,
        ["audit"] = true,
    };

    public static IReadOnlyDictionary<string, NetworkRequest> Networks { get; } = new Dictionary<string, NetworkRequest>
    {
        ["none"] = new(NetworkKind.None),
        ["open"] = NetworkRequest.OpenInternet,
    };

    /// <summary><c>if:</c> of a step, as here and as in GitHub's workflows.</summary>
    public static IReadOnlyDictionary<string, StepCondition> Conditions { get; } = new Dictionary<string, StepCondition>
    {
        ["success"] = StepCondition.Success,
        ["failure"] = StepCondition.Failure,
        ["always"] = StepCondition.Always,
        ["success()"] = StepCondition.Success,
        ["failure()"] = StepCondition.Failure,
        ["always()"] = StepCondition.Always,
    };

    /// <summary><c>when:</c> of artifacts, as here and as in GitLab's pipelines.</summary>
    public static IReadOnlyDictionary<string, StepCondition> Occasions { get; } = new Dictionary<string, StepCondition>
    {
        ["success"] = StepCondition.Success,
        ["failure"] = StepCondition.Failure,
        ["always"] = StepCondition.Always,
        ["on_success"] = StepCondition.Success,
        ["on_failure"] = StepCondition.Failure,
    };
}
