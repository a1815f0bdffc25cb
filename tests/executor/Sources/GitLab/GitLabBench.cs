using RunnerVm.Agents;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Sources;
using RunnerVm.Sources.GitLab;
using RunnerVm.Sources.GitLab.Wire;
using RunnerVm.Store;
using RunnerVm.Tests.StandIns.GitLab;
using Serilog;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitLab;

/// <summary>A GitLab and a runner of it in this process; what a job does is a function.</summary>
internal sealed class GitLabBench : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly string _root = Directory.CreateTempSubdirectory("rvgitlab").FullName;
    private readonly JobJournal _journal;
    private GitLabForge? _forge;

    private GitLabBench(GitLabStandIn server)
    {
        Server = server;
        Data = new(Path.Join(_root, "data"));
        _journal = JobJournal.Open(Path.Join(Data.Root, "agent.db"));
    }

    public GitLabStandIn Server { get; }

    public DataDirectory Data { get; }

    /// <summary>What a job does; the default says hello and succeeds.</summary>
    public Func<GitLabAssignment, Task<GitLabOutcome>> Run { get; set; } = static async job =>
    {
        if (!await job.MachineReadyAsync()) return new GitLabOutcome.Cancelled();
        await job.Trace.WriteAsync(RunnerVm.Sources.GitLab.Traces.TraceStream.JobOutput, "hello\n"u8.ToArray());
        return new GitLabOutcome.Succeeded();
    };

    public string Token { get; set; } = GitLabStandIn.RunnerToken;

    public long LogLimitBytes { get; set; } = 4 << 20;

    public GitLabJournal Journal => new(_journal);

    public GitLabForge Forge => _forge ??= new(Options, Host);

    public GitLabRunnerOptions Options => new()
    {
        Name = "bench",
        Server = new(Server.Url),
        Token = Token,
        CheckInterval = TimeSpan.FromMilliseconds(20),
        LogLimitBytes = LogLimitBytes,
        Images = new(new("debian-12", new(), NetworkRequest.OpenInternet), [], UnknownUsesFallback: false),
    };

    public GitLabHost Host => new()
    {
        Lend = () => new()
        {
            Data = Data,
            Ledger = new RunLedger(Data, TimeProvider.System),
            PrepareFiles = static (_, _, _) => throw new NotSupportedException(),
            ScratchDisks = null!,
            Engine = null!,
            Time = TimeProvider.System,
        },
        Time = TimeProvider.System,
        Journal = Journal,
        Traces = Data.Traces,
        SystemId = SystemId.Of(Data),
        Log = new LoggerConfiguration().CreateLogger(),
        Run = assignment => Run(assignment),
    };

    public static async Task<GitLabBench> StartAsync() => new(await GitLabStandIn.StartAsync());

    /// <summary>Takes the next job and runs it to its end.</summary>
    public async Task RunNextAsync(CancellationToken reporting = default)
    {
        using var job = await TakeAsync();
        await job.RunAsync(reporting).WaitAsync(Patience, CancellationToken.None);
    }

    public async Task<IForgeJob> TakeAsync() => Assert.IsType<ForgeAnswer.Job>(await Forge.AskAsync(CancellationToken.None)).Run;

    public void AssertNothingIsLeft()
    {
        Assert.Empty(Server.Violations);
        Assert.Empty(Journal.Read());
        Assert.Empty(Directory.GetFiles(Data.Traces));
    }

    public async ValueTask DisposeAsync()
    {
        _forge?.Dispose();
        await Server.DisposeAsync();
        _journal.Dispose();
        Directory.Delete(_root, recursive: true);
    }
}
