using System.Diagnostics;
using System.Globalization;
using RunnerVm.Agents;
using RunnerVm.Images;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Sources.GitHub;
using RunnerVm.Sources.GitHub.Authentication;
using RunnerVm.Sources.GitHub.Rest;
using RunnerVm.Store;
using RunnerVm.Tests.Executor.Jobs;
using RunnerVm.Tests.Executor.Sources.GitHub;
using RunnerVm.Tests.StandIns.GitHub;
using Serilog.Core;

namespace RunnerVm.Benchmarks;

/// <summary>
/// A thousand jobs through one agent. A thousand real machines would take an hour here, so a machine is a task of the agent's own
/// process with the tests' runner in it; everything else of the agent is what is shipped, compiled just in time, in a process of its own.
/// </summary>
internal static class ManyJobs
{
    /// <summary>The word by which this program becomes that process.</summary>
    public const string Role = "github-agent-of-tasks";

    private const int Jobs = 1000;
    private const int Early = 200;
    private const int Middle = 600;
    private const int AtOnce = 4;

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(20);

    /// <summary>GitHub knows of a job's end a moment before its machine is gone, and idle connections stay for some more.</summary>
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(5);

    public static void Run(BenchmarkReport report) => RunAsync(report).GetAwaiter().GetResult();

    private static async Task RunAsync(BenchmarkReport report)
    {
        await using var server = await GitHubStandIn.StartAsync();
        server.Knobs.PollTime = TimeSpan.FromSeconds(50);
        using var agent = new AgentUnderTest(Environment.ProcessPath!, [Role, server.Url.AbsoluteUri, server.World.Tokens.NewPersonal()], []);
        var watch = Stopwatch.StartNew();
        var early = await UseAsync(server, agent, Early);
        var middle = await UseAsync(server, agent, Middle - Early);
        var late = await UseAsync(server, agent, Jobs - Middle);
        report.Figure($"memory after {Early} jobs (a machine is a task), live objects", early, "MiB");
        report.Figure($"  after {Middle} jobs", middle, "MiB");
        report.Figure($"  after {Jobs} jobs", late, "MiB", early + 1, higherIsBetter: false);
        report.Figure("  jobs a minute", Jobs / watch.Elapsed.TotalMinutes, "");
        report.Figure("  processor time a job, agent, machine and runner together", agent.ProcessorTime.TotalMilliseconds / Jobs, "ms");
    }

    /// <summary>The other process: an agent until its standard input ends, that says after each line there how much memory it holds.</summary>
    public static async Task<int> BeAgentAsync(Uri url, string token)
    {
        var root = Directory.CreateTempSubdirectory("rvb").FullName;
        try
        {
            using var stop = new AgentStop();
            using var journal = JobJournal.Open(Path.Join(root, JobJournal.FileName));
            var running = Daemon(new(root), url, token, journal, stop).RunAsync();
            while (await Console.In.ReadLineAsync() is not null)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
                await Console.Out.WriteLineAsync(GC.GetTotalMemory(forceFullCollection: true).ToString(CultureInfo.InvariantCulture));
            }

            stop.Abort();
            await running;
            return 0;
        }
        finally
        {
            Directory.Delete(root, recursive: true);
        }
    }

    /// <returns>MiB of live objects after so many more jobs.</returns>
    private static async Task<double> UseAsync(GitHubStandIn server, AgentUnderTest agent, int count)
    {
        using var limit = new CancellationTokenSource(Limit);
        var jobs = Enumerable.Range(0, count).Select(_ => server.World.QueueScript("acme/app", "small", "true")).ToList();
        await server.World.UntilAsync(w => jobs.TrueForAll(static j => j.Status == "completed") && w.Runners.Count == 0 ? w : null, limit.Token);
        if (jobs.Exists(static j => (j.Conclusion, j.Starts) != ("success", 1))) throw new InvalidOperationException("a job did not run exactly once, with success");
        await Task.Delay(Rest, limit.Token);
        return long.Parse(await agent.AskAsync("memory"), CultureInfo.InvariantCulture) / 1048576.0;
    }

    private static Daemon Daemon(DataDirectory data, Uri url, string token, JobJournal journal, AgentStop stop)
    {
        var runner = new BenchRunner { Remembers = false };
        var ledger = new RunLedger(data, TimeProvider.System);
        var options = new GitHubRunnerOptions
        {
            Name = "acme/small", Labels = ["small"], ScaleSet = "small", Machine = new("none", new() { DiskBytes = ScratchDisks.MinimumBytes }, NetworkRequest.OpenInternet),
        };
        var source = new GitHubSourceOptions
        {
            Name = "acme", Address = GitHubAddress.Parse(new Uri(url, "acme").AbsoluteUri), Credential = new GitHubCredential.Token(() => token, "the benchmark"), Runners = [options],
        };
        var api = new GitHubApi(source.Address, source.Credential, TimeProvider.System);
        var host = new GitHubHost
        {
            Lend = () => new()
            {
                Data = data, Ledger = ledger, PrepareFiles = static (_, _, _) => Task.FromResult(new MachineFiles("kernel", "initramfs", "root")), ScratchDisks = new(data, TimeProvider.System),
                Engine = new FakeEngine(new ScriptedAgent { OnExec = runner.ExecAsync }.RunAsync), Time = TimeProvider.System,
            },
            Time = TimeProvider.System,
            Software = static () => new("2.999.0", 60, new(RunnerSoftware.DiskName, "/none")),
            Journal = new(journal),
            Log = Logger.None,
        };
        var forge = new GitHubForge(source, options, api, new(source.Name, api, Logger.None), host);
        return new([forge], new(AtOnce, new(AtOnce, AtOnce * 1024)), new(ledger, TimeProvider.System), stop, Logger.None, TimeProvider.System);
    }
}
