using System.Text.Json;
using RunnerVm.Guests;
using RunnerVm.Images;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Logs;
using RunnerVm.Machines;
using RunnerVm.Sources.GitLab;
using RunnerVm.Sources.GitLab.Caches;
using RunnerVm.Sources.GitLab.Custom;
using RunnerVm.Sources.GitLab.Payload;
using RunnerVm.Sources.GitLab.Wire;
using RunnerVm.Store;

namespace RunnerVm.Commands;

/// <summary>
/// <c>runnervm gitlab keep</c>, started by <c>prepare</c> and by nobody else: owns one job's machine while gitlab-runner
/// calls, and ends with it. It talks to prepare until the machine is there, and to nobody after that.
/// </summary>
internal sealed class GitLabKeeper(KeeperOrder order)
{
    /// <summary>What gitlab-runner may need around the job's own time: its retries, its uploads, its cleaning up.</summary>
    private static readonly TimeSpan Margin = TimeSpan.FromMinutes(30);

    private static readonly TimeSpan ParentCheck = TimeSpan.FromSeconds(1);

    private readonly TimeProvider _time = TimeProvider.System;
    private volatile bool _ready;

    public static async Task<int> RunAsync()
    {
        var line = await Console.In.ReadLineAsync();
        var order = line is null ? null : JsonSerializer.Deserialize(line, KeeperJson.Default.KeeperOrder);
        if (order is null) throw new UserException(ExitCodes.Usage, "'runnervm gitlab keep' is started by 'runnervm gitlab prepare'.");
        return await new GitLabKeeper(order).KeepAsync();
    }

    private async Task<int> KeepAsync()
    {
        using var stop = new StopRequest(_time, StepSequence.Grace);
        try
        {
            _ = Task.Run(() => WatchPrepare(stop));
            await using var watch = WatchRunner(stop);
            var outcome = await RunMachineAsync(stop);
            if (!_ready) Say(new() { Failed = outcome is JobOutcome.RunnerFailed failed ? failed.Message : "The machine was not wanted any more." });
            return ExitCodes.Ok;
        }
        catch (Exception e) when (e is UserException or JobRefusedException or IOException or MalformedJobException)
        {
            Say(new() { Failed = e.Message, Refused = e is JobRefusedException });
            return ExitCodes.Failed;
        }
    }

    private async Task<JobOutcome> RunMachineAsync(StopRequest stop)
    {
        var payload = JobResponseReader.Read(await File.ReadAllBytesAsync(order.ResponseFile));
        var access = await ServerAccess.FindAsync(payload.GitInfo.RepoUrl, stop.Asked);
        var job = JobOf(payload, access);
        var data = DataDirectory.FromEnvironment();
        await using var log = new JobLog(new WordSink(this), new SecretMasker([]), _time);
        var host = await HostAsync(job, data, log, stop.Asked);

        var server = order.ServerUrl is { } url ? new Uri(url) : CustomJob.Server(payload);
        using var http = new GitLabHttp(new GitLabServer(server), _time);
        var caches = new CachedFiles(CacheStore.In(data, _time), CacheScope.Of(payload, new RunnerFacts("gitlab-runner", "custom", "", server)), job.Machine.DiskBytes);
        var errands = new Errands(payload, new JobConnection(http, payload.Id, payload.Token), caches, job, stop);
        var work = new KeeperWork(job, errands, stop, _time, ReadyAsync);
        var outcome = await new JobRun(job, work, host, log, stop).RunAsync();
        await work.TellWaitingAsync(outcome);
        return outcome;
    }

    private async Task<JobHost> HostAsync(Job job, DataDirectory data, JobLog log, CancellationToken cancellationToken)
    {
        var layout = InstallLayout.FromEnvironment();
        var ledger = new RunLedger(data, _time);
        foreach (var swept in await new OrphanSweeper(ledger, _time).SweepAsync(cancellationToken)) await log.NoticeAsync(swept.ToString());
        var engine = await new Engines(data, layout, _time).Choice.ChooseAsync(job.Machine.Engine, job.Machine.Isolation, mayFallBack: false, cancellationToken);
        foreach (var notice in engine.Notices) await log.NoticeAsync(notice);
        return new()
        {
            Data = data,
            Ledger = ledger,
            PrepareFiles = new MachineFileStore(data, layout, _time, engine.Engine.BootsKernel).PrepareAsync,
            ScratchDisks = new ScratchDisks(data, _time),
            Engine = engine.Engine,
            Time = _time,
        };
    }

    private Job JobOf(JobResponse payload, ServerAccess access) => new()
    {
        Id = $"gitlab-{payload.Id}",
        Name = payload.JobInfo.Name,
        Image = order.Image,
        Machine = new() { Cpus = order.Cpus, MemoryMib = order.MemoryMib, DiskBytes = order.DiskBytes, Engine = order.Engine },
        Network = access.AddTo(order.NoNetwork ? new(NetworkKind.None) : new(NetworkKind.Filtered, order.Allow)),
        RunFolder = CustomJob.RunFolder(payload),
        ErrandCommand = "gitlab-runner",
        Timeout = payload.RunnerInfo.Timeout + Margin,
        Steps = [],
    };

    private Task ReadyAsync()
    {
        // Before it is said: prepare ends as soon as it hears it, and its end must not be taken for its death.
        _ready = true;
        Write(new() { Ready = true });
        return Task.CompletedTask;
    }

    /// <summary>A prepare that dies before the machine is there takes it along; once it is there, prepare ends on purpose.</summary>
    private void WatchPrepare(StopRequest stop)
    {
        while (Console.In.ReadLine() is not null)
        {
        }

        if (!_ready) stop.Ask();
    }

    /// <summary>No call ends a machine whose gitlab-runner was killed.</summary>
    private ITimer WatchRunner(StopRequest stop)
    {
        var runner = ProcessIdentity.Of(order.RunnerPid);
        var known = runner?.StartTicks == order.RunnerStartTicks ? runner : null;
        return _time.CreateTimer(_ =>
        {
            if (known?.IsRunning() != true) stop.Ask();
        }, null, ParentCheck, ParentCheck);
    }

    /// <summary>Nobody listens once prepare has gone.</summary>
    private void Say(KeeperWord word)
    {
        if (!_ready) Write(word);
    }

    private static void Write(KeeperWord word)
    {
        try
        {
            Console.Out.WriteLine(JsonSerializer.Serialize(word, KeeperJson.Default.KeeperWord));
        }
        catch (IOException)
        {
            // Prepare is gone.
        }
    }

    /// <summary>What the run says, for prepare's part of the job's log.</summary>
    private sealed class WordSink(GitLabKeeper keeper) : IJobSink
    {
        public ValueTask WriteAsync(JobEvent jobEvent, CancellationToken cancellationToken)
        {
            var text = jobEvent switch
            {
                JobEvent.Notice notice => notice.Text,
                JobEvent.MachineReady ready => $"Machine ready: engine {ready.Engine}, Linux {ready.Kernel}",
                _ => null,
            };
            if (text is not null) keeper.Say(new() { Say = text });
            return ValueTask.CompletedTask;
        }
    }
}
