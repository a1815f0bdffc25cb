using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Jobs;
using RunnerVm.Leases.Warm;
using RunnerVm.Machines;
using RunnerVm.Snapshots;

namespace RunnerVm.Operate.Clones;

/// <summary>
/// Restores copies of one snapshot, thaws each as a job's would be, and asks each who it is. As many at once as the host's
/// free memory holds; each is gone when it has answered.
/// </summary>
internal sealed class CloneTrial(WarmStart start, string engine, TimeProvider time)
{
    /// <summary>QEMU's own memory and what a guest touches in its first second, generously.</summary>
    private const long BytesEach = 192L << 20;

    private const int MostAtOnce = 8;

    /// <summary>Of one copy; on a software CPU with eight at once it takes a second or two.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <exception cref="MachineException">A copy did not start, or did not answer in time.</exception>
    /// <exception cref="GuestFailedException">A copy could not be thawed or asked.</exception>
    /// <exception cref="IOException">The host ran out of something.</exception>
    public async Task<CloneReport> RunAsync(Snapshot snapshot, MachineKind kind, int copies, CancellationToken cancellationToken)
    {
        var answers = new CloneAnswers[copies];
        await Parallel.ForAsync(0, copies, new ParallelOptions { MaxDegreeOfParallelism = AtOnce(), CancellationToken = cancellationToken },
            async (number, token) => answers[number] = await AskAsync(number, snapshot, kind, token));
        return CloneReport.Of(engine, snapshot.Name, answers);
    }

    private static int AtOnce()
    {
        var available = HostChecks.AvailableMemory(File.ReadLines("/proc/meminfo")) ?? 0;
        return (int)Math.Clamp(available / 2 / BytesEach, 1, MostAtOnce);
    }

    private async Task<CloneAnswers> AskAsync(int number, Snapshot snapshot, MachineKind kind, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(Limit, time);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        using var stop = new StopRequest(time, StepSequence.Grace);
        await using var registration = patience.Token.Register(stop.Abandon);
        try
        {
            var id = $"copy-{number + 1}-{Guid.NewGuid().ToString("n")[..8]}";
            await using var machine = await start.RestoreAsync(id, snapshot, kind, patience.Token);
            await using var guest = await GuestSession.ConnectAsync(machine.GuestStream, HoldAsync, patience.Token);
            await guest.ThawAsync(GuestIdentity.For(Nobody(id, kind), time), patience.Token);
            return await CloneAnswers.AskAsync(guest, time, stop);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new MachineException($"Copy {number + 1} of snapshot {snapshot.Name} did not answer within {Limit.TotalSeconds} s.");
        }
    }

    private static Job Nobody(string id, MachineKind kind) => new()
    {
        Id = id,
        Name = id,
        Image = "",
        Steps = [],
        Network = new(kind.Network ? NetworkKind.Filtered : NetworkKind.None),
    };

    /// <summary>A connection stays open for as long as its port is to be seen.</summary>
    private static Task HoldAsync(GuestChannel channel, CancellationToken ended) => Task.Delay(Timeout.Infinite, ended);
}
