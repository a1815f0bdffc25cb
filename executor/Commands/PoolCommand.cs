using System.CommandLine;
using System.Globalization;
using RunnerVm.Guests;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Leases.Warm;
using RunnerVm.Options;
using RunnerVm.Snapshots;

namespace RunnerVm.Commands;

/// <summary><c>runnervm pool</c>: keeps restored machines waiting for <c>exec --pool</c>, until it is told to stop.</summary>
internal static class PoolCommand
{
    private const int MostWarm = 200;

    private static readonly Argument<string[]> Images = new("image") { Description = "A recipe below job-images/; several are several kinds. Default: --image's.", Arity = ArgumentArity.ZeroOrMore };
    private static readonly Option<int> Warm = new("--warm", "-n") { Description = "Machines that wait, of each kind.", DefaultValueFactory = static _ => 2 };
    private static readonly Option<string> Unused = new("--unused") { Description = "Throw away the machines of a kind nobody has asked for in so long, until somebody asks again.", DefaultValueFactory = static _ => "15m" };
    private static readonly Option<string?> AtMost = new("--at-most") { Description = "Memory all waiting machines together may come to need. Default: half of what the host has free now." };

    public static Command Create()
    {
        var command = new Command("pool", "Keep restored machines waiting for \"exec --pool\", until stopped.") { Images, Warm, Unused, AtMost };
        MachineOptions.AddTo(command);
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        var (job, wanted, options) = (MachineOptions.Job(parsed), parsed.GetValue(Warm), Bounds(parsed));
        if (wanted is < 1 or > MostWarm) throw new UserException(ExitCodes.Usage, $"{Warm.Name} {wanted}: expected 1 to {MostWarm}");
        var images = parsed.GetValue(Images) is { Length: > 0 } named ? named : [job.Image];

        using var stop = new StopRequest(TimeProvider.System, StepSequence.Grace);
        using var signals = StopSignals.Attach(stop);
        await using var session = await SnapshotSession.OpenAsync(job.Machine.Engine, cancellationToken);
        // First of all, so that a second pool is told before it has done anything.
        await using var lease = session.Ledger.Take("pool", PoolProtocol.RunName);
        var kinds = new List<WarmKind>();
        foreach (var image in images.Distinct()) kinds.Add(await KindAsync(session, job with { Image = image }, wanted, stop.Asked));

        await using var pool = new WarmPool(kinds, new WarmRestore(session.WarmStart, session.MakeAsync).RestoreAsync, options, Tell, TimeProvider.System);
        await using var server = new PoolServer(pool, lease, Tell, TimeProvider.System);
        pool.Start();
        await server.RunAsync(stop.Asked);
        return ExitCodes.Ok;

        // Lines of one writer: the log keeps their order, and nobody waits for it.
        void Tell(string text) => _ = session.Log.NoticeAsync(text);
    }

    private static async Task<WarmKind> KindAsync(SnapshotSession session, Job job, int wanted, CancellationToken cancellationToken)
    {
        var kind = await session.KindAsync(job, cancellationToken);
        var key = await SnapshotKey.ForAsync(session.Engine, kind, cancellationToken);
        if (new CloneRecord(new(session.Data)).Shared(session.Engine.Name, key) is { } shared)
            throw new UserException(ExitCodes.Failed, $"No machine is kept waiting on this host, because copies share {shared} by the last \"runnervm doctor --clones\".");
        return new(key, kind, string.Create(CultureInfo.InvariantCulture, $"{job.Image} ({kind.Cpus} CPU, {kind.MemoryMib} MiB, {session.Engine.Name})"), wanted);
    }

    private static WarmPoolOptions Bounds(ParseResult parsed)
    {
        if (!Duration.TryParse(parsed.GetRequiredValue(Unused), out var unused, out var problem))
            throw new UserException(ExitCodes.Usage, $"{Unused.Name} {parsed.GetRequiredValue(Unused)}: {problem}");
        var most = HostMemory.AvailableBytes() / 2;
        if (parsed.GetValue(AtMost) is { } text && !ByteSize.TryParse(text, out most, out problem))
            throw new UserException(ExitCodes.Usage, $"{AtMost.Name} {text}: {problem}");
        return new() { Unused = unused, MostBytes = most, AvailableBytes = HostMemory.AvailableBytes };
    }
}
