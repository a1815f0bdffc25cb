using System.Security.Cryptography;
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
        Entropy = RandomNumberGenerator.GetBytes(EntropyBytes),
        Hostname = job.Id,
        MachineId = RandomNumberGenerator.GetHexString(32, lowercase: true),
        Workspace = job.Folder,
        Network = job.Network.Kind != NetworkKind.None,
    };
}
