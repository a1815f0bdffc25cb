using RunnerVm.Guests;
using RunnerVm.Images;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Leases.Warm;
using RunnerVm.Logs;
using RunnerVm.Machines;
using RunnerVm.Snapshots;
using RunnerVm.Store;

namespace RunnerVm.Commands;

/// <summary>Wires what a command needs that makes snapshots, or restores machines from them, beside any job.</summary>
internal sealed class SnapshotSession : IAsyncDisposable
{
    private static readonly TimeProvider Time = TimeProvider.System;
    private readonly MachineFileStore _files;

    private SnapshotSession(DataDirectory data, InstallLayout layout, RunLedger ledger, JobLog log, ISnapshottingEngine engine)
    {
        (Data, Ledger, Log, Engine) = (data, ledger, log, engine);
        _files = new(data, layout, Time);
        Store = new(data, Time);
    }

    public DataDirectory Data { get; }

    public RunLedger Ledger { get; }

    public SnapshotStore Store { get; }

    public ISnapshottingEngine Engine { get; }

    /// <summary>What is being made ready is told here.</summary>
    public JobLog Log { get; }

    public WarmStart WarmStart => new(Ledger, Engine);

    /// <param name="engine">A name, or auto.</param>
    /// <exception cref="UserException">The engine is not here, or makes no snapshots.</exception>
    public static async Task<SnapshotSession> OpenAsync(string engine, CancellationToken cancellationToken)
    {
        var (data, layout) = (DataDirectory.FromEnvironment(), InstallLayout.FromEnvironment());
        var ledger = new RunLedger(data, Time);
        var log = new JobLog(new ConsoleSink(ConsoleSettings.ForProcess()), new SecretMasker([]), Time);
        try
        {
            foreach (var swept in await new OrphanSweeper(ledger, Time).SweepAsync(cancellationToken)) await log.NoticeAsync(swept.ToString());
            var chosen = await new Engines(data, layout, Time).Choice.ChooseAsync(engine, Isolation.Kernel, mayFallBack: false, cancellationToken);
            return chosen.Engine is ISnapshottingEngine able
                ? new(data, layout, ledger, log, able)
                : throw new UserException(ExitCodes.Failed, $"Engine {chosen.Engine.Name} makes no snapshots: its machines always boot.");
        }
        catch
        {
            await log.DisposeAsync();
            throw;
        }
    }

    /// <summary>Makes the files of a job's kind of machine ready.</summary>
    public async Task<MachineKind> KindAsync(Job job, CancellationToken cancellationToken) => MachineKind.Of(job, await _files.PrepareAsync(job, Log, cancellationToken));

    /// <summary>The snapshot of that kind, made now where there is none.</summary>
    /// <exception cref="UserException">It could not be made.</exception>
    public async Task<Snapshot> MakeAsync(MachineKind kind, CancellationToken cancellationToken)
    {
        try
        {
            return await new SnapshotMaker(Store, Ledger, new ScratchDisks(Data, Time), Time).MakeAsync(Engine, kind, cancellationToken);
        }
        catch (Exception e) when (e is MachineException or IOException or GuestFailedException)
        {
            throw new UserException(ExitCodes.Failed, $"Cannot make a snapshot: {e.Message}", e);
        }
    }

    public ValueTask DisposeAsync() => Log.DisposeAsync();
}
