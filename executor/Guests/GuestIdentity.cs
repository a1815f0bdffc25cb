using RunnerVm.GuestProtocol;
using RunnerVm.Jobs;

namespace RunnerVm.Guests;

/// <summary>What makes one machine different from every other, chosen by the host for each start.</summary>
internal static class GuestIdentity
{
    private const int EntropyBytes = 64;

    public static ThawRequest For(Job job, TimeProvider time) => new()
    {
        UnixTimeNanoseconds = (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100,
        Entropy = HostRandom.Bytes(EntropyBytes),
        Hostname = job.Id,
        MachineId = HostRandom.Hex(32),
        Workspace = StepPlan.Workspace,
        Network = job.Network.Kind != NetworkKind.None,
        ErrandCommand = job.ErrandCommand,
    };
}
