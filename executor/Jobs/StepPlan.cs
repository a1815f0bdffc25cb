using RunnerVm.GuestProtocol;

namespace RunnerVm.Jobs;

/// <summary>Turns a step into what the agent is asked to run.</summary>
internal static class StepPlan
{
    /// <summary>Where the workspace is in every guest.</summary>
    public const string Workspace = "/workspace";

    private static readonly string[] Bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "{0}"];
    private static readonly string[] Sh = ["sh", "-e", "{0}"];
    private static readonly string[] Python = ["python3", "-u", "{0}"];

    /// <summary>What a step without a shell of its own is run by: the first of them that the image has.</summary>
    public static string[][] DefaultCandidates { get; } = [Bash, Sh];

    public static ExecRequest ToRequest(Job job, Step step)
    {
        var environment = new Dictionary<string, string>
        {
            ["CI"] = "true",
            ["RUNNERVM"] = "true",
            ["RUNNERVM_JOB_ID"] = job.Id,
            ["RUNNERVM_JOB_NAME"] = job.Name,
            ["RUNNERVM_WORKSPACE"] = Workspace,
        };
        foreach (var (name, value) in job.Environment) environment[name] = value;
        foreach (var secret in job.Secrets) environment[secret.Name] = secret.Value;
        foreach (var (name, value) in step.Environment) environment[name] = value;

        return new()
        {
            Candidates = Candidates(step.Shell),
            Script = step.Script,
            Environment = environment,
            WorkingDirectory = step.WorkingDirectory,
        };
    }

    private static string[][] Candidates(string? shell) => shell switch
    {
        null => DefaultCandidates,
        "bash" => [Bash],
        "sh" => [Sh],
        "python" or "python3" => [Python],
        _ => [Words(shell)],
    };

    /// <summary>A custom shell is a plain list of words; the script's path goes where {0} stands, else to the end.</summary>
    private static string[] Words(string shell)
    {
        var words = shell.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return words.Any(static w => w.Contains("{0}", StringComparison.Ordinal)) ? words : [.. words, "{0}"];
    }

    /// <summary>Whether a step runs after what happened so far.</summary>
    public static bool Runs(StepCondition condition, bool failed) => condition switch
    {
        StepCondition.Always => true,
        StepCondition.Failure => failed,
        _ => !failed,
    };
}
