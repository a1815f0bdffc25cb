using System.Collections.Concurrent;
using RunnerVm.Agents;
using RunnerVm.Images;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Sources;
using RunnerVm.Sources.GitHub;
using RunnerVm.Sources.GitHub.Authentication;
using RunnerVm.Sources.GitHub.Rest;
using RunnerVm.Store;
using RunnerVm.Tests.Executor.Jobs;
using RunnerVm.Tests.StandIns.GitHub;
using Serilog;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitHub;

/// <summary>A whole agent against a GitHub, both in this process; a machine is a task of it, with a runner in it that connects.</summary>
internal sealed class GitHubBench : IAsyncDisposable
{
    public const string Label = "small";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly bool _first = true;
    private readonly string _root = Directory.CreateTempSubdirectory("rvgithub").FullName;
    private readonly JobJournal _journal;
    private readonly GitHubApi _api;

    private GitHubBench(GitHubStandIn server)
    {
        Server = server;
        Data = new(Path.Join(_root, "data"));
        _journal = JobJournal.Open(Path.Join(Data.Root, "agent.db"));
        var token = server.World.Tokens.NewPersonal();
        Source = new()
        {
            Name = "acme", Address = GitHubAddress.Parse(new Uri(server.Url, "acme").AbsoluteUri), Credential = new GitHubCredential.Token(() => token, "a test"),
            Repositories = [new("acme", "app")], CheckInterval = TimeSpan.FromMilliseconds(200), Runners = [],
        };
        _api = new(Source.Address, Source.Credential, TimeProvider.System);
    }

    private GitHubBench(GitHubBench before)
    {
        (_first, _root, _journal, _api, Server, Data, Source) = (false, before._root, before._journal, before._api, before.Server, before.Data, before.Source);
    }

    public GitHubStandIn Server { get; }

    public GitHubApi Api => _api;

    public GitHubWorld World => Server.World;

    public DataDirectory Data { get; }

    public GitHubSourceOptions Source { get; set; }

    public GitHubRunnerOptions Options { get; set; } = new()
    {
        Name = "acme/small", Labels = [Label], ScaleSet = "small-host", Machine = new("none", new() { DiskBytes = ScratchDisks.MinimumBytes }, NetworkRequest.OpenInternet),
    };

    public BenchRunner Runner { get; } = new();

    public RunnerSoftware? Software { get; set; } = new("2.336.0", 60, new(RunnerSoftware.DiskName, "/none"));

    /// <summary>Awaited while a machine's files are made ready.</summary>
    public Func<CancellationToken, Task> Preparing { get; set; } = static _ => Task.CompletedTask;

    public LineSink Log { get; } = new();

    /// <summary>How jobs ended.</summary>
    public ConcurrentQueue<EndedJob> Ended { get; } = new();

    /// <summary>How long those that started had been queued.</summary>
    public ConcurrentQueue<TimeSpan> Queued { get; } = new();

    public GitHubJournal Journal => new(_journal);

    public GitHubForge Forge => field ??= NewForge();

    public AgentStop Stop { get; } = new();

    private GitHubHost Host => new()
    {
        Lend = () => new()
        {
            Data = Data,
            Ledger = new RunLedger(Data, TimeProvider.System),
            PrepareFiles = async (_, _, token) =>
            {
                await Preparing(token);
                return new("kernel", "initramfs", "root");
            },
            ScratchDisks = new(Data, TimeProvider.System),
            Engine = new FakeEngine(new ScriptedAgent { OnExec = Runner.ExecAsync }.RunAsync),
            Time = TimeProvider.System,
        },
        Time = TimeProvider.System,
        Software = () => Software,
        JobStarted = (_, queued) => Queued.Enqueue(queued),
        JobEnded = Ended.Enqueue,
        Journal = Journal,
        Log = new LoggerConfiguration().WriteTo.Sink(Log).CreateLogger(),
    };

    public static async Task<GitHubBench> StartAsync()
    {
        var server = await GitHubStandIn.StartAsync();
        server.Knobs.PollTime = TimeSpan.FromMilliseconds(100);
        return new(server);
    }

    /// <summary>Another process with the same journal and the same GitHub.</summary>
    public GitHubBench Again() => new(this);

    /// <summary>Runs the agent until it is drained.</summary>
    public Task RunAsync(int jobs = 2) => Task.Run(Daemon(jobs).RunAsync);

    public Daemon Daemon(int jobs) => new(
        [Forge], new Capacity(jobs, new(jobs, jobs * 1024)), new OrphanSweeper(new RunLedger(Data, TimeProvider.System), TimeProvider.System), Stop, Host.Log, TimeProvider.System);

    /// <summary>Another with the options of now.</summary>
    public GitHubForge NewForge() => new(Source, Options, _api, new DeathNotices(Source.Name, _api, Host.Log), Host);

    public StandInJob Queue(string script = "true") => World.QueueScript("acme/app", Label, script);

    public async Task EndedAsync(params StandInJob[] jobs) => await UntilAsync(() => Array.TrueForAll(jobs, static j => j.Status == "completed"), "the end of the jobs");

    /// <summary>Waits until something is so; looks again with every change at GitHub and every line of the log.</summary>
    public async Task UntilAsync(Func<bool> look, string what)
    {
        using var limit = new CancellationTokenSource(Patience);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!look())
        {
            if (limit.IsCancellationRequested) Assert.Fail($"waited in vain for {what}. The agent's log:\n{string.Join('\n', Log.Lines)}");
            await tick.WaitForNextTickAsync(CancellationToken.None);
        }
    }

    /// <summary>Drains the agent; nothing of it is left then.</summary>
    public async Task DrainAsync(Task running)
    {
        Stop.Drain();
        await running.WaitAsync(Patience);
        Assert.Empty(World.Runners);
        Assert.All(World.ScaleSets, static set => Assert.Null(set.Session));
        Assert.Empty(Journal.Runners(Options.Name));
        Assert.Null(Journal.Session(Options.Name));
        Assert.Empty(Directory.GetDirectories(Data.Runs));
        Assert.Empty(Server.Violations);
        Assert.DoesNotContain(Log.Lines, static line => line.Contains("please report", StringComparison.Ordinal));
    }

    public async ValueTask DisposeAsync()
    {
        Stop.Abort();
        Forge.Dispose();
        if (!_first) return;
        _api.Dispose();
        await Server.DisposeAsync();
        _journal.Dispose();
        Stop.Dispose();
        Directory.Delete(_root, recursive: true);
    }
}
