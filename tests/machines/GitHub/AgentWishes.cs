namespace RunnerVm.Tests.Machines.GitHub;

/// <summary>What an agent of the tests is configured with, where a test wants it otherwise.</summary>
internal sealed record AgentWishes
{
    public string Labels { get; init; } = "small";

    /// <summary>A token or an App.</summary>
    public string Credential { get; init; } = "token: {env: STAND_IN_TOKEN}";

    /// <summary>Of its jobs; null: to GitHub and nowhere else.</summary>
    public string? Network { get; init; }

    /// <summary>Further lines.</summary>
    public string More { get; init; } = "";
}
