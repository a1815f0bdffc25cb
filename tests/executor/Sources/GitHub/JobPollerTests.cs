using RunnerVm.Sources.GitHub;
using RunnerVm.Sources.GitHub.Polling;
using RunnerVm.Sources.GitHub.Rest;
using RunnerVm.Sources.GitHub.Runners;
using Serilog;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitHub;

public sealed class JobPollerTests
{
    private const int Timeout = 30_000;
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact(Timeout = Timeout)]
    public async Task Each_queued_job_whose_labels_are_ours_brings_a_runner()
    {
        await using var polling = await Polling.StartAsync();
        polling.Github.World.QueueRun("acme/app", ["self-hosted", "rvm"], ["RVM"], ["ubuntu-latest"], ["self-hosted", "gpu"]);
        var half = polling.Github.World.QueueRun("acme/app", ["rvm"], ["rvm"]);
        half.Jobs[0].Status = "in_progress";
        half.Jobs[1].Status = "queued";
        var waiting = polling.Github.World.QueueJob("acme/app", "rvm");
        waiting.Status = "waiting";
        polling.Github.World.QueueJob("acme/other", "rvm");
        await polling.WantedAsync(3);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_runner_at_work_counts_beside_those_that_jobs_still_wait_for()
    {
        await using var polling = await Polling.StartAsync();
        var run = polling.Github.World.QueueRun("acme/app", ["rvm"], ["rvm"]);
        await polling.WantedAsync(2);
        foreach (var runner in polling.Fleet.Runners) runner.Enter(RunnerState.Busy);
        foreach (var job in run.Jobs) job.Status = "in_progress";
        polling.Github.World.QueueRun("acme/app", ["rvm"]);
        await polling.WantedAsync(3);
    }

    [Fact(Timeout = Timeout)]
    public async Task Looks_at_what_did_not_change_cost_nothing()
    {
        await using var polling = await Polling.StartAsync();
        polling.Github.World.QueueJob("acme/app", "rvm");
        await polling.WantedAsync(1);
        while (polling.Github.World.Requests.Count("GET", "/actions/runs", 304) < 9) await polling.Github.World.Requests.AddedAsync(Stop);
        // Empty lists before the job, full ones after it, and its jobs.
        Assert.InRange(polling.Github.World.Requests.Count("GET", "/actions/runs", 200), 3, 4);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_rate_limit_that_is_used_up_is_waited_for_and_a_GitHub_that_is_away_is_asked_less_and_less()
    {
        await using var polling = await Polling.StartAsync();
        polling.Github.World.RateLimitRemaining = 0;
        while (polling.Poller.Trouble is null) await polling.Github.World.Requests.AddedAsync(Stop);
        polling.Github.World.RateLimitRemaining = null;
        polling.Github.Server.Knobs.Fail("/actions/runs", 502, times: 10);
        polling.Github.World.QueueJob("acme/app", "rvm");
        await polling.WantedAsync(1);
        Assert.Contains(polling.Log.Lines, static l => l.Contains("rate limit is used up"));
        Assert.Contains(polling.Log.Lines, static l => l.Contains("looking for jobs again"));
        Assert.True(polling.Time.GetUtcNow() - Polling.Begin > TimeSpan.FromMinutes(20));
    }

    [Theory]
    [InlineData("self-hosted", true)]
    [InlineData("linux,x64,RVM", true)]
    [InlineData("rvm,arm64", false)]
    [InlineData("", false)]
    public void Labels_match_as_GitHub_matches_them(string asked, bool ours) =>
        Assert.Equal(ours, new RunnerLabels(["rvm"]).Cover(asked.Split(',', StringSplitOptions.RemoveEmptyEntries)));

    private sealed class Polling : IAsyncDisposable
    {
        public static readonly DateTimeOffset Begin = new(2026, 11, 25, 10, 0, 0, TimeSpan.Zero);
        private readonly CancellationTokenSource _end = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        private readonly SemaphoreSlim _begins = new(0);
        private Task _running = Task.CompletedTask;
        private Task _beginning = Task.CompletedTask;
        private int _begun;

        private Polling(GitHubFixture github)
        {
            (Github, Time) = (github, new(Begin));
            Fleet = new("rvm-", Time);
            var api = github.AsPerson("acme/app", Time);
            var options = new JobPollerOptions("app", [new GitHubScope.Repository("acme", "app")], new(["rvm"]), TimeSpan.FromSeconds(10));
            Poller = new(api, options, Fleet, new LoggerConfiguration().WriteTo.Sink(Log).CreateLogger(), Time);
        }

        public GitHubFixture Github { get; }

        public HurriedTime Time { get; }

        public RunnerFleet Fleet { get; }

        public JobPoller Poller { get; }

        public LineSink Log { get; } = new();

        public static async Task<Polling> StartAsync()
        {
            var polling = new Polling(await GitHubFixture.StartAsync());
            polling._running = Task.Run(() => polling.Poller.RunAsync(polling._end.Token));
            polling._beginning = Task.Run(polling.BeginAsync);
            return polling;
        }

        public async Task WantedAsync(int count)
        {
            while (Volatile.Read(ref _begun) < count) await _begins.WaitAsync(Stop);
            Assert.Equal(count, Fleet.Live);
        }

        public async ValueTask DisposeAsync()
        {
            await _end.CancelAsync();
            await _running;
            await _beginning.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            foreach (var runner in Fleet.Runners) runner.Dispose();
            _end.Dispose();
            await Github.DisposeAsync();
        }

        private async Task BeginAsync()
        {
            while (true)
            {
                await Fleet.WaitAsync(_end.Token);
                if (Fleet.TryBegin() is null) continue;
                Interlocked.Increment(ref _begun);
                _begins.Release();
            }
        }
    }
}
