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
        public static readonly Done Instance = new();
    }

    public sealed record Instance(InstanceState State) : VmmAnswer;

    public sealed record Version : VmmAnswer;

    public sealed record Machine(MachineConfiguration Configuration) : VmmAnswer;

    /// <summary>All of it, as it is now.</summary>
    public sealed record Configuration(VmResources Resources) : VmmAnswer;

    public sealed record Balloon(Monitor.Configuration.Balloon Configuration) : VmmAnswer;

    public sealed record Statistics(BalloonStatistics Balloon) : VmmAnswer;

    /// <param name="Json">UTF-8.</param>
    public sealed record Metadata(ReadOnlyMemory<byte> Json) : VmmAnswer;
}

/// <summary>As GET / shows it.</summary>
internal enum InstanceState
{
    NotStarted,
    Running,
    Paused,
}
