using RunnerVm.Images;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Machines;
using RunnerVm.Snapshots;
using RunnerVm.Sources;
using RunnerVm.Sources.GitHub;
using RunnerVm.Sources.GitHub.Rest;
using RunnerVm.Sources.GitLab;
using RunnerVm.Store;
using Serilog;

namespace RunnerVm.Agents;

/// <summary>Wires everything an agent needs, by hand and in one place.</summary>
internal sealed class AgentSession : IDisposable
{
    private readonly AgentOptions _options;
    private readonly AgentLock _lock;
    private readonly JobJournal _journal;
    private readonly IForge[] _forges;
    private readonly List<IDisposable> _owned = [];
    private readonly RunLedger _ledger;
    private readonly ILogger _log;
    private readonly TimeProvider _time;

    private AgentSession(AgentOptions options, RunLedger ledger, AgentLock held, JobJournal journal, GitLabHost gitLab, GitHubHost gitHub)
    {
        (_options, _lock, _journal, _ledger, _log, _time) = (options, held, journal, ledger, gitLab.Log, gitLab.Time);
        _forges = [.. options.GitLab.Select(runner => Owned(new GitLabForge(runner, gitLab))), .. options.GitHub.SelectMany(source => Open(source, gitHub))];
    }

    public IReadOnlyList<IForge> Forges => _forges;

    /// <param name="snapshotUse">Whether machines start from snapshots, and whether missing ones are made behind the first job of a kind.</param>
    /// <param name="snapshotCommand">The command line of this program that makes the snapshot a job on an engine starts from.</param>
    /// <exception cref="UserException">The engine is not here, the data directory is somebody else's, or a CA file cannot be used.</exception>
    public static async Task<AgentSession> OpenAsync(
        AgentOptions options, ILogger log, SnapshotUse snapshotUse, Func<Job, string, IReadOnlyList<string>> snapshotCommand, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        var layout = InstallLayout.FromEnvironment();
        var data = DataDirectory.FromEnvironment();
        // Which engine isolates strangers from this host is for its owner to say; nothing else ever takes its place.
        var chosen = await new Engines(data, layout, time).Choice.ChooseAsync(options.Engine, options.Isolation, mayFallBack: false, cancellationToken);
        foreach (var notice in chosen.Notices) log.Warning("{Notice}", notice);

        var held = AgentLock.Take(data);
        JobJournal? journal = null;
        try
        {
            await ImageStore.SweepAsync(data, cancellationToken);
            var ledger = new RunLedger(data, time);
            var snapshots = new SnapshotStore(data, time);
            await snapshots.SweepAsync(cancellationToken);
            var gitLab = new GitLabHost
            {
                Lend = Lend,
                Time = time,
                MachineUsed = (host, machine) => host.Snapshots?.MakeInBackground(snapshotCommand(KindOf(machine), chosen.Engine.Name)),
                Journal = new(journal = JobJournal.Open(Path.Join(data.Root, "agent.db"))),
                Traces = data.Traces,
                SystemId = SystemId.Of(data),
                Log = log,
            };
            var gitHub = new GitHubHost
            {
                Lend = Lend,
                Time = time,
                MachineUsed = (host, job) => host.Snapshots?.MakeInBackground(snapshotCommand(job, chosen.Engine.Name)),
                Software = new NewestRunner(data, time).Look,
                Journal = new(journal),
                Log = log,
            };
            return new(options, ledger, held, journal, gitLab, gitHub);

            JobHost Lend() => new()
            {
                Data = data,
                Ledger = ledger,
                PrepareFiles = new MachineFileStore(data, layout, time).PrepareAsync,
                ScratchDisks = new ScratchDisks(data, time),
                Engine = chosen.Engine,
                Snapshots = snapshotUse != SnapshotUse.Off && chosen.Engine is ISnapshottingEngine able ? new SnapshotShelf(snapshots, able, makes: snapshotUse == SnapshotUse.Auto, new CloneRecord(new FactCache(data))) : null,
                Time = time,
            };
        }
        catch
        {
            journal?.Dispose();
            held.Dispose();
            throw;
        }
    }

    /// <summary>Takes jobs until <paramref name="stop"/>; returns when the last one has ended.</summary>
    public async Task RunAsync(AgentStop stop)
    {
        var capacity = new Capacity(_options.Capacity.Jobs, _options.Capacity.Size);
        _log.Information("Takes up to {Jobs} jobs at once, {Size} in all, from {Forges}", capacity.Jobs, capacity.Size.ToString(), string.Join(", ", _forges.Select(static f => f.Name)));
        await new Daemon(_forges, capacity, new(_ledger, _time), stop, _log, _time).RunAsync();
        _log.Information("Stopped; no job is left");
    }

    public void Dispose()
    {
        foreach (var owned in Enumerable.Reverse(_owned)) owned.Dispose();
        _journal.Dispose();
        _lock.Dispose();
    }

    /// <summary>All kinds of runner of a source share its connection, its token and its rate limit.</summary>
    private IEnumerable<IForge> Open(GitHubSourceOptions source, GitHubHost host)
    {
        var api = Owned(new GitHubApi(source.Address, source.Credential, host.Time));
        return source.Runners.Select(runner => Owned(new GitHubForge(source, runner, api, host)));
    }

    private T Owned<T>(T what)
        where T : IDisposable
    {
        _owned.Add(what);
        return what;
    }

    /// <summary>A job that only says what machine it had.</summary>
    private static Job KindOf(MachineClass machine) =>
        new() { Id = "snapshot", Name = "snapshot", Image = machine.Image, Machine = machine.Request, Network = machine.Network, Steps = [] };
}
