namespace RunnerVm.Snapshots;

/// <summary>What a command does with snapshots.</summary>
internal enum SnapshotUse
{
    /// <summary>Starts from one where it is there, and leaves one behind where it is not.</summary>
    Auto,

    /// <summary>Starts from one where it is there, and makes none.</summary>
    Existing,

    /// <summary>Boots every machine.</summary>
    Off,
}

/// <summary>The environment's word on it.</summary>
internal static class SnapshotSetting
{
    public const string Variable = "RUNNERVM_SNAPSHOTS";

    /// <exception cref="UserException">The variable says something else.</exception>
    public static SnapshotUse FromEnvironment() => Environment.GetEnvironmentVariable(Variable) switch
    {
        null or "" or "auto" => SnapshotUse.Auto,
        "existing" => SnapshotUse.Existing,
        "off" => SnapshotUse.Off,
        var other => throw new UserException(ExitCodes.Usage, $"{Variable}={other}: expected auto, existing or off"),
    };
}
