using RunnerVm.Vmm.Monitor.Configuration;

namespace RunnerVm.Vmm.Monitor.Control;

/// <summary>What an action gives back when it is not refused.</summary>
internal abstract record VmmAnswer
{
    private VmmAnswer()
    {
    }

    /// <summary>Done; 204 No Content.</summary>
    public sealed record Done : VmmAnswer
    {
        public static readonly Done All = new();
    }

    public sealed record InstanceIs(InstanceState State) : VmmAnswer;

    public sealed record VersionIs : VmmAnswer;

    public sealed record MachineIs(MachineConfiguration Machine) : VmmAnswer;

    /// <summary>All of it, as it is now.</summary>
    public sealed record ConfigurationIs(VmResources Resources) : VmmAnswer;

    public sealed record BalloonIs(Balloon Balloon) : VmmAnswer;

    public sealed record StatisticsAre(BalloonStatistics Statistics) : VmmAnswer;

    /// <param name="Json">UTF-8.</param>
    public sealed record MetadataIs(ReadOnlyMemory<byte> Json) : VmmAnswer;
}

/// <summary>As GET / shows it.</summary>
internal enum InstanceState
{
    NotStarted,
    Running,
    Paused,
}
