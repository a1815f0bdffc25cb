using RunnerVm.Sources.GitHub.Runners;
using RunnerVm.Sources.GitHub.ScaleSets;
using RunnerVm.Tests.StandIns.GitHub;
using Serilog;
using Serilog.Core;
using Serilog.Events;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitHub;

public sealed class ScaleSetListenerTests
{
    private const int Timeout = 30_000;
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact(Timeout = Timeout)]
    public async Task Jobs_bring_runners_as_the_counts_say_and_as_far_as_the_host_can()
    {
        await using var listening = await Listening.StartAsync(capacity: 2);
        listening.Queue(5);
        await listening.WantedAsync(2);
        Assert.Equal(2, listening.Github.World.Runs.Single().Jobs.Count(static j => j.ScaleSetName == "small"));
        listening.Capacity = 4;
        await listening.WantedAsync(4);
    }

    [Fact(Timeout = Timeout)]
    public async Task More_entries_than_a_message_holds_change_nothing_for_counts_decide()
    {
        await using var listening = await Listening.StartAsync(capacity: 120);
        listening.Queue(120);
        await listening.WantedAsync(120);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_message_that_comes_twice_is_acted_on_once_and_acknowledged_twice()
    {
        await using var listening = await Listening.StartAsync(capacity: 3, k => k.DuplicateMessages = true);
        listening.Queue(1);
        await listening.WantedAsync(1);
        await listening.RequestsAsync("DELETE", "/queue/message", 2);
        Assert.Equal(1, listening.Fleet.Live);
    }

    [Fact(Timeout = Timeout)]
    public async Task Jobs_that_are_only_offered_are_acquired_as_far_as_there_is_room()
    {
        await using var listening = await Listening.StartAsync(capacity: 2, static k => k.JobsMustBeAcquired = true);
        listening.Queue(3);
        await listening.WantedAsync(2);
        Assert.Equal(1, listening.Github.World.Requests.Count("POST", "acquirejobs", 200));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_session_that_is_taken_is_waited_for_and_then_listened_to()
    {
        await using var listening = await Listening.StartAsync(capacity: 1, static k => k.SessionConflicts = 20);
        listening.Queue(1);
        await listening.WantedAsync(1);
        var waited = listening.Time.GetUtcNow() - Listening.Begin;
        // Fourteen times after ten seconds, then once a minute.
        Assert.InRange(waited.TotalSeconds, (14 * 10) + (6 * 60), (14 * 10) + (6 * 60) + 60);
        Assert.Single(listening.Log.Lines, static l => l.Contains("Does another agent listen to the same set?"));
        Assert.Single(listening.Log.Lines, static l => l.Contains("already has an active session"));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_session_without_a_queue_a_token_taken_back_and_a_service_that_fails_are_survived()
    {
        await using var listening = await Listening.StartAsync(capacity: 3, static k => k.EmptyQueueUrlOnce = true);
        listening.Queue(1);
        await listening.WantedAsync(1);
        listening.Github.World.Tokens.RevokeAll(TokenKind.Queue);
        listening.Github.World.Tokens.RevokeAll(TokenKind.Admin);
        listening.Queue(1);
        await listening.WantedAsync(2);
        listening.Github.Server.Knobs.Fail("/queue/message", 500, times: 12);
        listening.Queue(1);
        await listening.WantedAsync(3);
        Assert.Equal(1, listening.Github.World.Requests.Count("POST", "/sessions", 200));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_set_somebody_removed_is_made_again_and_a_session_that_is_gone_is_opened_again()
    {
        await using var listening = await Listening.StartAsync(capacity: 2);
        var session = await listening.Github.World.UntilAsync(static w => w.ScaleSets.SingleOrDefault()?.Session, Stop);
        var first = listening.Github.World.ScaleSets.Single();
        first.Session = null;
        await listening.Github.World.UntilAsync(w => first.Session is { } other && other.Id != session.Id ? other : null, Stop);

        first.Deleted = true;
        listening.Queue(1);
        await listening.WantedAsync(1);
        Assert.NotEqual(first.Id, listening.Github.World.ScaleSets.Single().Id);
    }

    [Fact(Timeout = Timeout)]
    public async Task What_happens_to_a_job_reaches_its_runner()
    {
        await using var listening = await Listening.StartAsync(capacity: 1);
        var job = listening.Queue(1)[0];
        await listening.WantedAsync(1);
        var runner = listening.Begun[0];
        var completed = new TaskCompletionSource();
        runner.Completed.Register(completed.SetResult);
        await listening.RunAsync(runner, job);
        await completed.Task.WaitAsync(Stop);
        Assert.Equal($"acme/app run {job.Run.Id}, job-1", runner.Job!.ToString());
        Assert.Equal(RunnerState.Busy, runner.State);
        Assert.Contains(listening.Log.Lines, l => l.Contains($"acme/app run {job.Run.Id}, job-1") && l.Contains("succeeded"));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_job_cancelled_while_queued_retires_the_runner_that_waited_for_it()
    {
        await using var listening = await Listening.StartAsync(capacity: 1);
        var job = listening.Queue(1)[0];
        await listening.WantedAsync(1);
        var retired = new TaskCompletionSource();
        listening.Begun[0].Retired.Register(retired.SetResult);
        listening.Github.World.Cancel(job);
        await retired.Task.WaitAsync(Stop);
    }

    [Fact(Timeout = Timeout)]
    public async Task The_end_closes_the_session_even_where_nothing_was_ever_reached()
    {
        var listening = await Listening.StartAsync(capacity: 1);
        await listening.Github.World.UntilAsync(static w => w.ScaleSets.SingleOrDefault()?.Session, Stop);
        await listening.StopAsync();
        Assert.Null(listening.Github.World.ScaleSets.Single().Session);
        Assert.Equal(ListenerState.Closed, listening.Listener.State);
        await listening.DisposeAsync();

        await using var away = await Listening.StartAsync(capacity: 1, static k => k.Fail("/", 503, times: int.MaxValue));
        await away.StopAsync();
        Assert.Equal(ListenerState.Closed, away.Listener.State);
    }

    /// <summary>A listener at work, with an agent that gives each wish a runner that does nothing by itself.</summary>
    private sealed class Listening : IAsyncDisposable
    {
        public static readonly DateTimeOffset Begin = new(2026, 11, 25, 10, 0, 0, TimeSpan.Zero);
        private readonly CancellationTokenSource _end = CancellationTokenSource.CreateLinkedTokenSource(Stop);
        private readonly SemaphoreSlim _begins = new(0);
        private readonly List<FleetRunner> _begun = [];
        private readonly ScaleSetClient _client;
        private Task _running = Task.CompletedTask;
        private Task _beginning = Task.CompletedTask;

        private Listening(GitHubFixture github, int capacity)
        {
            (Github, Capacity, Time) = (github, capacity, new(Begin, ScaleSetListener.ClosingLimit));
            Fleet = new("rvm-", Time);
            _client = github.ScaleSets(Time);
            var log = new LoggerConfiguration().WriteTo.Sink(Log).CreateLogger();
            Listener = new(_client, new("small", null, ["small"], "host"), Fleet, () => Capacity, log, Time);
        }

        public GitHubFixture Github { get; }

        public HurriedTime Time { get; }

        public RunnerFleet Fleet { get; }

        public ScaleSetListener Listener { get; }

        public LineSink Log { get; } = new();

        public int Capacity { get; set; }

        public IReadOnlyList<FleetRunner> Begun
        {
            get
            {
                lock (_begun) return [.. _begun];
            }
        }

        public static async Task<Listening> StartAsync(int capacity, Action<Knobs>? knobs = null)
        {
            var listening = new Listening(await GitHubFixture.StartAsync(), capacity);
            listening.Github.Server.Knobs.PollTime = TimeSpan.FromMilliseconds(50);
            knobs?.Invoke(listening.Github.Server.Knobs);
            listening._running = Task.Run(() => listening.Listener.RunAsync(listening._end.Token));
            listening._beginning = Task.Run(listening.BeginAsync);
            return listening;
        }

        public IReadOnlyList<StandInJob> Queue(int count) => Github.World.QueueRun("acme/app", [.. Enumerable.Repeat<string[]>(["small"], count)]).Jobs;

        /// <summary>Waits until so many runners were wanted in all.</summary>
        public async Task WantedAsync(int count)
        {
            while (Begun.Count < count) await _begins.WaitAsync(Stop);
            Assert.Equal(count, Fleet.Live);
        }

        public async Task RequestsAsync(string method, string part, int count)
        {
            while (Github.World.Requests.Count(method, part) < count) await Github.World.Requests.AddedAsync(Stop);
        }

        /// <summary>Does with the stand-in what a runner does, as far as the service sees it.</summary>
        public async Task RunAsync(FleetRunner runner, StandInJob job)
        {
            var jit = await _client.CreateJitRunnerAsync(Listener.Set!.Id, runner.Name, Stop);
            Github.World.RunToEnd(jit.RunnerId, job, "success");
        }

        public async Task StopAsync()
        {
            await _end.CancelAsync();
            await _running;
        }

        public async ValueTask DisposeAsync()
        {
            await StopAsync();
            await _beginning.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            foreach (var runner in Begun) runner.Dispose();
            _end.Dispose();
            await Github.DisposeAsync();
        }

        private async Task BeginAsync()
        {
            while (true)
            {
                await Fleet.WaitAsync(_end.Token);
                if (Fleet.TryBegin() is not { } runner) continue;
                lock (_begun) _begun.Add(runner);
                _begins.Release();
            }
        }
    }
}

/// <summary>Keeps log lines for a look at them.</summary>
internal sealed class LineSink : ILogEventSink
{
    private readonly List<string> _lines = [];

    public IReadOnlyList<string> Lines
    {
        get
        {
            lock (_lines) return [.. _lines];
        }
    }

    public void Emit(LogEvent logEvent)
    {
        lock (_lines) _lines.Add(logEvent.RenderMessage());
    }
}
