namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>GitHub's own runner, where somebody has one: then the tests run it, too. See job-images/github-runner/README.md.</summary>
public static class OfficialRunner
{
    public const string FolderVariable = "RUNNERVM_ACTIONS_RUNNER_DIR";

    public const string WhyNot = $"{FolderVariable} names no folder of GitHub's runner; job-images/github-runner/README.md says how to make one.";

    /// <summary>Null: there is none.</summary>
    public static string? Folder => Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } folder ? folder : null;
}
