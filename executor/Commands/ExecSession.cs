using System.Net;
using System.Runtime.InteropServices;
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

/// <summary>Wires everything one local job needs, by hand and in one place, and runs it.</summary>
internal sealed class ExecSession(ExecSession.Settings settings)
{
    internal sealed record Settings
    {
        public bool Json { get; init; }

        public bool Timings { get; init; }

        public bool Quiet { get; init; }

        public string? ArtifactsPath { get; init; }

        public IReadOnlyList<IPEndPoint>? DnsServers { get; init; }

        /// <summary>Whether a machine is taken from a pool, where one runs.</summary>
        public bool Pool { get; init; }

        public SnapshotUse Snapshots { get; init; } = SnapshotUse.Off;
    }

    /// <returns>The exit code; see <see cref="JobExit"/>.</returns>
    public async Task<int> RunAsync(Job job, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        var layout = InstallLayout.FromEnvironment();
        using var stop = new StopRequest(time, StepSequence.Grace);
        using var signals = StopSignals.Attach(stop);
        await using var log = new JobLog(CreateSink(stop), new SecretMasker(job.Secrets.Select(static s => s.Value)), time);

        var data = DataDirectory.FromEnvironment();
        var ledger = new RunLedger(data, time);
        foreach (var swept in await new OrphanSweeper(ledger, time).SweepAsync(cancellationToken)) await log.NoticeAsync(swept.ToString());
        await ImageStore.SweepAsync(data, cancellationToken);
        var store = new SnapshotStore(data, time);
        await store.SweepAsync(cancellationToken);
        var engine = await new Engines(data, layout, time).Choice.ChooseAsync(job.Machine.Engine, job.Machine.Isolation, mayFallBack: true, cancellationToken);
        foreach (var notice in engine.Notices) await log.NoticeAsync(notice);

        var snapshots = settings.Snapshots != SnapshotUse.Off && engine.Engine is ISnapshottingEngine able ? new SnapshotShelf(store, able, makes: settings.Snapshots == SnapshotUse.Auto, new CloneRecord(new FactCache(data))) : null;
        var host = new JobHost
        {
            Data = data,
            Ledger = ledger,
            PrepareFiles = new MachineFileStore(data, layout, time, engine.Engine.BootsKernel).PrepareAsync,
            ScratchDisks = new ScratchDisks(data, time),
            Engine = engine.Engine,
            Snapshots = snapshots,
            Warm = settings.Pool && engine.Engine is ISnapshottingEngine keeps ? new(new PoolClient(data, time), keeps, tellsOfNone: true, time) : null,
            Time = time,
            EgressOptions = new() { DnsServers = settings.DnsServers },
            ArtifactsPath = settings.ArtifactsPath,
        };
        var outcome = await new JobRun(job, new LocalWork(job, host, log, stop), host, log, stop).RunAsync();
        if (outcome is not JobOutcome.RunnerFailed) snapshots?.MakeInBackground(SnapshotCreateCommand.Arguments(job, engine.Engine.Name));
        return JobExit.Code(outcome);
    }

    private AbandonedReaderGuard CreateSink(StopRequest stop)
    {
        IJobSink sink = settings.Json
            ? new JsonSink(Console.OpenStandardOutput())
            : new ConsoleSink(ConsoleSettings.ForProcess() with { Timings = settings.Timings, Quiet = settings.Quiet });
        return new(sink, stop.Ask);
    }
}
