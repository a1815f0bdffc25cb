using System.Diagnostics;
using RunnerVm.Tests.StandIns.GitHub;

namespace RunnerVm.Benchmarks;

/// <summary>
/// The agent and a GitHub: how long a job waits for its runner, what the agent itself costs a job and an idle hour. The program is
/// the shipped one and machines are real. Whether it grows is for <see cref="ManyJobs"/>.
/// </summary>
internal static class GitHubBenchmark
{
    private const int ColdRounds = 7;
    private const int Rounds = 20;
    private const int FloodJobs = 30;
    private const int AtOnce = 2;
    private const int Sources = 20;

    private static readonly TimeSpan Refill = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(20);

    /// <summary>How long the idle agent is watched; <c>--idle=MINUTES</c> on the command line.</summary>
    public static TimeSpan IdleTime { get; set; } = TimeSpan.FromMinutes(10);

    public static void Run(BenchmarkReport report) => RunAsync(report).GetAwaiter().GetResult();

    public static void Idle(BenchmarkReport report)
    {
        using var home = GitHubHome.Create();
        IdleAsync(report, home).GetAwaiter().GetResult();
    }

    private static async Task RunAsync(BenchmarkReport report)
    {
        using var home = GitHubHome.Create();
        await ListenAsync(report, home, "cold", ColdRounds, snapshots: "off");
        await ListenAsync(report, home, "restored", Rounds, snapshots: "existing");
        await ListenAsync(report, home, "pooled", Rounds, snapshots: "existing", waiting: 1);
        await FloodAsync(report, home);
    }

    /// <summary>Jobs one after the other: from GitHub's message to the runner's first question for a job.</summary>
    private static async Task ListenAsync(BenchmarkReport report, GitHubHome home, string how, int rounds, string snapshots, int waiting = 0)
    {
        await using var server = await GitHubStandIn.StartAsync();
        LikeGitHub(server);
        using var agent = home.StartAgent(server, jobs: 1, snapshots, waiting);
        var sample = new Sample();
        using var limit = new CancellationTokenSource(Patience);
        await ReadyAsync(server, 1, limit.Token);
        if (waiting > 0) await agent.SaysAsync("wait.", 1, limit.Token);
        for (var round = 0; round <= rounds; round++)
        {
            // Nothing outside the agent tells that the next one waits again; how many did is counted at the end.
            if (waiting > 0 && round > 0) await Task.Delay(Refill, limit.Token);
            var watch = Stopwatch.StartNew();
            var job = server.World.QueueScript("acme/app", "small", "true");
            await server.World.UntilAsync(w => w.Runners.FirstOrDefault(static r => r.Online), limit.Token);
            // The first one pays for what is done once: the program's own warming up, an image's check.
            if (round > 0) sample.Add(watch.Elapsed.TotalSeconds);
            await server.World.UntilAsync(w => job.Status == "completed" && w.Runners.Count == 0 ? w : null, limit.Token);
        }

        report.Figure($"a job's message to its runner listening, {how}, {rounds} in a row, p50", sample.Median, "s");
        report.Figure("  p99 (nearest rank)", sample.Percentile(99), "s");
        if (waiting > 0) report.Figure($"  machines of these {rounds + 1} jobs that had waited", home.LogsWith("A machine that waited was taken"), "");
    }

    /// <summary>A poll is held as long as the real service does; that of a runner at work only until the tests' own has looked for its end.</summary>
    private static void LikeGitHub(GitHubStandIn server) =>
        (server.Knobs.PollTime, server.Knobs.RunnerPollTime) = (TimeSpan.FromSeconds(50), TimeSpan.FromMilliseconds(200));

    /// <summary>Until so many scale sets are listened to. A poll that has come in is no event at GitHub, so this looks.</summary>
    private static async Task ReadyAsync(GitHubStandIn server, int count, CancellationToken cancellationToken)
    {
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (server.World.ScaleSets.Count(static s => s is { Session: not null, Capacity: > 0 }) < count) await tick.WaitForNextTickAsync(cancellationToken);
    }

    private static async Task FloodAsync(BenchmarkReport report, GitHubHome home)
    {
        await using var server = await GitHubStandIn.StartAsync();
        LikeGitHub(server);
        using var agent = home.StartAgent(server, AtOnce, "existing");
        using var limit = new CancellationTokenSource(Patience);
        await ReadyAsync(server, 1, limit.Token);
        var before = agent.ProcessorTime;
        var watch = Stopwatch.StartNew();
        var jobs = Enumerable.Range(0, FloodJobs).Select(_ => server.World.QueueScript("acme/app", "small", "true")).ToList();
        await server.World.UntilAsync(w => jobs.TrueForAll(static j => j.Status == "completed") ? w : null, limit.Token);
        report.Figure($"jobs a minute, {FloodJobs} queued at once, {AtOnce} at once, restored", FloodJobs / watch.Elapsed.TotalMinutes, "");
        report.Figure("  the agent's own processor time a job", (agent.ProcessorTime - before).TotalMilliseconds / FloodJobs, "ms");
        report.Figure("  jobs that did not run exactly once, with success", jobs.Count(static j => (j.Conclusion, j.Starts) != ("success", 1)), "", 0, higherIsBetter: false);
    }

    private static async Task IdleAsync(BenchmarkReport report, GitHubHome home)
    {
        await using var server = await GitHubStandIn.StartAsync();
        LikeGitHub(server);
        using var agent = home.StartIdleAgent(server, Sources);
        using var limit = new CancellationTokenSource(Patience + IdleTime);
        await ReadyAsync(server, Sources, limit.Token);
        await Task.Delay(TimeSpan.FromSeconds(5), limit.Token);
        var (before, watch) = (agent.ProcessorTime, Stopwatch.StartNew());
        await Task.Delay(IdleTime, limit.Token);
        report.Figure($"idle, {Sources} sources, over {IdleTime.TotalMinutes:0.#} min: of one processor", (agent.ProcessorTime - before) / watch.Elapsed * 100, "%");
        report.Figure("  memory, resident", agent.ResidentBytes / 1048576.0, "MiB");
    }
}
