using RunnerVm.Agents.Metrics;
using RunnerVm.Images;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Leases.Warm;
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
    private static readonly TimeSpan LookAgain = TimeSpan.FromMinutes(1);

    private readonly AgentOptions _options;
    private readonly GitLabHost _gitLab;
    private readonly GitHubHost _gitHub;
    private readonly AgentLock _lock;
    private readonly JobJournal _journal;
    private readonly IReadOnlyList<IForge> _forges;
    private readonly List<IDisposable> _owned = [];
    private readonly RunLedger _ledger;
    private readonly ILogger _log;
    private readonly TimeProvider _time;
    private readonly AgentMetrics _metrics;
    private readonly Lock _keeping = new();
    private AgentOptions _current;
    private string _kept = "";
    private readonly WarmImages? _warm;
    private readonly LogPruner _pruner;

    private AgentSession(AgentOptions options, RunLedger ledger, AgentLock held, JobJournal journal, GitLabHost gitLab, GitHubHost gitHub, AgentMetrics metrics, WarmImages? warm)
    {
        _current = options;
        (_options, _lock, _journal, _ledger, _log, _time, _metrics) = (options, held, journal, ledger, gitLab.Log, gitLab.Time, metrics);
        (_gitLab, _gitHub, _warm) = (gitLab, gitHub, warm);
        _pruner = new(ledger, _log, _time);
        _forges = Open(options);
    }

    public IReadOnlyList<IForge> Forges => _forges;

    /// <param name="snapshotUse">Whether machines start from snapshots, and whether missing ones are made behind the first job of a kind.</param>
    /// <param name="snapshotCommand">The command line of this program that makes the snapshot a job on an engine starts from.</param>
    /// <exception cref="UserException">The engine is not here, the data directory is somebody else's, or a CA file cannot be used.</exception>
    public static async Task<AgentSession> OpenAsync(
        AgentOptions options, ILogger log, SnapshotUse snapshotUse, Func<Job, string, IReadOnlyList<string>> snapshotCommand, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        var metrics = new AgentMetrics();
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
            var keeper = snapshotUse == SnapshotUse.Off ? null : chosen.Engine as ISnapshottingEngine;
            var warm = keeper is null ? null : new WarmImages(
                new(keeper, new MachineFileStore(data, layout, time), new SnapshotMaker(snapshots, ledger, new ScratchDisks(data, time), time), new WarmStart(ledger, keeper),
                    new CloneRecord(new FactCache(data)), HostMemory.AvailableBytes),
                log, time);
            var gitLab = new GitLabHost
            {
                Lend = Lend,
                Time = time,
                MachineUsed = (host, machine) => host.Snapshots?.MakeInBackground(snapshotCommand(KindOf(machine), chosen.Engine.Name)),
                Journal = new(journal = JobJournal.Open(Path.Join(data.Root, JobJournal.FileName))),
                Traces = data.Traces,
                SystemId = SystemId.Of(data),
                JobStarted = metrics.JobStarted,
                JobEnded = Ended,
                Log = log,
            };
            var gitHub = new GitHubHost
            {
                Lend = Lend,
                Time = time,
                MachineUsed = (host, job) => host.Snapshots?.MakeInBackground(snapshotCommand(job, chosen.Engine.Name)),
                Software = new NewestRunner(data, time).Look,
                Journal = new(journal),
                JobStarted = metrics.JobStarted,
                JobEnded = Ended,
                Log = log,
            };
            return new(options, ledger, held, journal, gitLab, gitHub, metrics, warm);

            void Ended(EndedJob job)
            {
                metrics.JobEnded(job);
                Remember(journal, job, log, time);
            }

            JobHost Lend() => new()
            {
                Data = data,
                Ledger = ledger,
                PrepareFiles = new MachineFileStore(data, layout, time, chosen.Engine.BootsKernel).PrepareAsync,
                ScratchDisks = new ScratchDisks(data, time),
                Engine = chosen.Engine,
                Snapshots = keeper is null ? null : new SnapshotShelf(snapshots, keeper, makes: snapshotUse == SnapshotUse.Auto, new CloneRecord(new FactCache(data))),
                Warm = warm is not { AreWanted: true } ? null : new WarmShelf(warm, keeper!, tellsOfNone: false, time),
                Time = time,
                PhaseEnded = metrics.PhaseEnded,
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
    /// <param name="reloads">Reads the configuration anew whenever it should count; null: it cannot be read, and things stay as they are.</param>
    public async Task RunAsync(AgentStop stop, ConfigurationReloads reloads)
    {
        var capacity = new Capacity(_options.Capacity.Jobs, _options.Capacity.Size);
        var daemon = new Daemon(_forges, capacity, new(_ledger, _time), stop, _log, _time);
        using var server = _options.Listen is { } address ? new StatusServer(address, () => new MetricsPage(_metrics, capacity, daemon.Forges).Write(), _log, stop.Draining) : null;
        using var supervisor = new ServiceSupervisor(Environment.GetEnvironmentVariable, _time);
        Say(capacity, _forges);
        Keep(_options);
        supervisor.Ready(Status(_forges));
        reloads.Attach(options =>
        {
            Warn(options);
            capacity.Resize(options.Capacity.Jobs, options.Capacity.Size);
            Keep(options);
            daemon.Replace(Open(options));
            Say(capacity, daemon.Forges);
            supervisor.Status(Status(daemon.Forges));
        });
        await using var draining = stop.Draining.Register(() => supervisor.Stopping("Waits for the jobs that run"));
        await using var warm = _warm;
        var tidying = Task.WhenAll(Task.Run(() => _pruner.RunAsync(stop.Draining)), KeepCurrentAsync(stop.Draining));
        await daemon.RunAsync();
        await tidying;
        _log.Information("Stopped; no job is left");
    }

    private void Say(Capacity capacity, IReadOnlyList<IForge> forges) =>
        _log.Information("Takes up to {Jobs} jobs at once, {Size} in all, from {Forges}", capacity.Jobs, capacity.Size.ToString(), string.Join(", ", forges.Select(static f => f.Name)));

    private static string Status(IReadOnlyList<IForge> forges) => $"Takes jobs from {string.Join(", ", forges.Select(static f => f.Name))}";

    /// <summary>Makes count what is kept beside jobs: machines that wait, and logs.</summary>
    private void Keep(AgentOptions options)
    {
        using var one = _keeping.EnterScope();
        _pruner.Limits = options.Logs;
        (_current, var runner) = (options, options.Warm.Count > 0 && options.GitHub.Count > 0 ? _gitHub.Software()?.Disk : null);
        var wanted = options.Warm.Count == 0 ? "" : $"{options.WarmFingerprint} {options.Capacity.Size} {runner?.Path}";
        if (wanted == _kept) return;
        _kept = wanted;
        _log.Information("Waiting for jobs, once they are ready: {Images}", options.Warm.Count == 0 ? "no machine" : string.Join(", ", options.Warm.Select(static w => $"{w.Count} of {w.Image}")));
        if (_warm is { } warm) warm.Keep(WarmImage.For(options, runner), (long)options.Capacity.Size.MemoryMib << 20);
        else if (options.Warm.Count > 0) _log.Warning("No machine waits for jobs (\"images\"): this engine makes no snapshots, or RUNNERVM_SNAPSHOTS is off");
    }

    /// <summary>A new version of GitHub's runner is another disk, and its machines another kind.</summary>
    private async Task KeepCurrentAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await Task.Delay(LookAgain, _time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!stop.IsCancellationRequested) Keep(_current);
        }
    }

    /// <summary>For runnervm ps and logs; that it cannot be kept must not fail the job.</summary>
    private static void Remember(JobJournal journal, EndedJob job, ILogger log, TimeProvider time)
    {
        try
        {
            journal.WriteEnded(new(job.JobId, job.Forge, job.Name, EndedJob.Word(job.Result), job.Sentence, time.GetUtcNow()));
        }
        catch (Microsoft.Data.Sqlite.SqliteException e)
        {
            log.Warning("How {Job} ended could not be written down: {Why}", job.JobId, e.Message);
        }
    }

    /// <summary>What cannot change under jobs that run.</summary>
    private void Warn(AgentOptions options)
    {
        if (options.Engine != _options.Engine || options.Isolation != _options.Isolation) _log.Warning("The engine and its isolation change with a restart only");
        if (!Equals(options.Listen, _options.Listen)) _log.Warning("\"listen\" changes with a restart only");
    }

    public void Dispose()
    {
        foreach (var forge in _forges) forge.Dispose();
        foreach (var owned in _owned) owned.Dispose();
        _journal.Dispose();
        _lock.Dispose();
    }

    private IReadOnlyList<IForge> Open(AgentOptions options) => [.. options.GitLab.Select(runner => new GitLabForge(runner, _gitLab)), .. options.GitHub.SelectMany(Open)];

    /// <summary>All kinds of runner of a source share its connection, its token and its rate limit.</summary>
    private IEnumerable<IForge> Open(GitHubSourceOptions source)
    {
        var api = new GitHubApi(source.Address, source.Credential, _time);
        _owned.Add(api);
        var notices = new DeathNotices(source.Name, api, _log);
        return source.Runners.Select(runner => new GitHubForge(source, runner, api, notices, _gitHub));
    }

    /// <summary>A job that only says what machine it had.</summary>
    private static Job KindOf(MachineClass machine) =>
        new() { Id = "snapshot", Name = "snapshot", Image = machine.Image, Machine = machine.Request, Network = machine.Network, Steps = [] };
}
