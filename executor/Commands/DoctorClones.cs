using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Jobs;
using RunnerVm.Machines;
using RunnerVm.Operate.Clones;
using RunnerVm.Snapshots;

namespace RunnerVm.Commands;

/// <summary><c>runnervm doctor --clones 20</c>: whether copies of one snapshot differ here in all they must differ in.</summary>
internal static class DoctorClones
{
    private const int Most = 200;

    public static async Task<int> RunAsync(int copies, Job job, bool json, CancellationToken cancellationToken)
    {
        if (copies is < 2 or > Most) throw new UserException(ExitCodes.Usage, $"--clones {copies}: expected 2 to {Most}");
        await using var session = await SnapshotSession.OpenAsync(job.Machine.Engine, cancellationToken);
        var kind = await session.KindAsync(job, cancellationToken);
        var snapshot = await session.MakeAsync(kind, cancellationToken);
        try
        {
            var report = await new CloneTrial(session.WarmStart, session.Engine.Name, TimeProvider.System).RunAsync(snapshot, kind, copies, cancellationToken);
            new CloneRecord(new(session.Data)).Remember(report.Engine, await SnapshotKey.ForAsync(session.Engine, kind, cancellationToken), report.Shared);
            if (json) Console.Out.WriteLine(ClonePage.Json(report));
            else Console.Out.Write(ClonePage.Lines(report));
            return report.ExitCode;
        }
        catch (Exception e) when (e is MachineException or GuestFailedException or ProtocolException or IOException)
        {
            throw new UserException(ExitCodes.Failed, $"Cannot try {copies} copies of snapshot {snapshot.Name}: {e.Message}", e);
        }
    }
}
