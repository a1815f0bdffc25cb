using System.Text;
using RunnerVm.Guests;

namespace RunnerVm.Sources.GitHub.Hooks;

/// <summary>
/// Scripts that the official runner runs as a job's first and last step, and that tell the host about it. They never fail a
/// job: what they tell is worth less than that.
/// </summary>
internal static class HookScripts
{
    /// <summary>In memory, and no place of the runner's or the job's.</summary>
    public const string Folder = "/run/runnervm-hooks";

    /// <summary>Each call of it is an errand to the host.</summary>
    public const string Command = "runnervm-report";

    private const UnixFileMode Executable = (UnixFileMode)0b111_101_101;

    /// <summary>
    /// The worker writes down which step begins and how it ended, in the words of its StepsRunner; nothing else of it tells.
    /// Whoever reads that on must outlive the hook, which takes being no descendant by the runner's mark.
    /// </summary>
    private const string Started = $$"""
        #!/bin/sh
        report=/usr/local/bin/{{Command}}
        "$report" {{HookWords.JobStarted}} "$GITHUB_REPOSITORY" "$GITHUB_RUN_ID" "$GITHUB_RUN_ATTEMPT" "$GITHUB_WORKFLOW" "$GITHUB_JOB" || true
        log=$(ls -t "$RUNNERVM_RUNNER"/_diag/Worker_*.log 2>/dev/null | head -n 1)
        if [ -n "$log" ]; then
          env -u RUNNER_TRACKING_ID setsid sh -c '
            tail -n +1 -f "$1" | grep --line-buffered -e "{{HookWords.StepBegins}}" -e "{{HookWords.StepEnds}}" |
            while IFS= read -r line; do "$2" {{HookWords.Step}} "$line"; done' steps "$log" "$report" </dev/null >/dev/null 2>&1 &
        fi
        exit 0
        """;

    private const string Completed = $$"""
        #!/bin/sh
        /usr/local/bin/{{Command}} {{HookWords.JobCompleted}} || true
        exit 0
        """;

    public static IReadOnlyList<GuestFile> Files { get; } =
        [new("started.sh", Encoding.UTF8.GetBytes(Started + "\n"), Executable), new("completed.sh", Encoding.UTF8.GetBytes(Completed + "\n"), Executable)];

    /// <param name="runner">The official runner's folder in the guest.</param>
    public static IEnumerable<KeyValuePair<string, string>> Environment(string runner) =>
    [
        new("ACTIONS_RUNNER_HOOK_JOB_STARTED", $"{Folder}/started.sh"),
        new("ACTIONS_RUNNER_HOOK_JOB_COMPLETED", $"{Folder}/completed.sh"),
        new("RUNNERVM_RUNNER", runner),
    ];
}
