using System.Security.Cryptography;

namespace RunnerVm.Sources.GitHub.Runners;

/// <summary>
/// The runners of one source on this host: how many are wanted, which there are. A listener or a poller says how many
/// there should be; the agent takes the wishes and gives each a machine. Thread safe.
/// </summary>
internal sealed class RunnerFleet(string prefix, TimeProvider time)
{
    /// <summary>
    /// How long a runner that had a job and ended still stands for it. GitHub's counts learn of a job's end a moment later,
    /// and in that moment would ask for a runner nobody needs.
    /// </summary>
    private static readonly TimeSpan Settling = TimeSpan.FromMinutes(2);

    private readonly Lock _gate = new();
    private readonly List<FleetRunner> _runners = [];
    private readonly List<(string Name, DateTimeOffset Ended)> _unsettled = [];
    private readonly HashSet<string> _completedEarly = [];
    private TaskCompletionSource _wish = New();
    private int _wanted;

    /// <summary>Runners whose machines exist or are about to.</summary>
    public int Live
    {
        get
        {
            lock (_gate) return _runners.Count;
        }
    }

    /// <summary>Those that have a job now.</summary>
    public int Busy
    {
        get
        {
            lock (_gate) return _runners.Count(static r => r.State == RunnerState.Busy);
        }
    }

    public IReadOnlyList<FleetRunner> Runners
    {
        get
        {
            lock (_gate) return [.. _runners];
        }
    }

    /// <summary>Whether a runner of that name is alive here.</summary>
    public bool Knows(string name)
    {
        lock (_gate) return _runners.Exists(r => r.Name == name);
    }

    /// <summary>How many runners there should be now, in all. Surplus ones without a job are asked to go.</summary>
    public void Want(int count)
    {
        lock (_gate)
        {
            _wanted = Math.Max(count, 0);
            Forget();
            foreach (var idle in _runners.Where(static r => r.State < RunnerState.Busy).Reverse().Take(_runners.Count - _wanted)) idle.Retire();
            if (Missing > 0) _wish.TrySetResult();
        }
    }

    /// <summary>Takes over the runners of a fleet that takes no more wishes. They end here.</summary>
    public void Adopt(RunnerFleet before)
    {
        List<FleetRunner> runners;
        List<(string, DateTimeOffset)> unsettled;
        List<string> completed;
        lock (before._gate)
        {
            (runners, unsettled, completed) = ([.. before._runners], [.. before._unsettled], [.. before._completedEarly]);
            before._runners.Clear();
            foreach (var runner in runners) runner.MoveTo(this);
        }

        lock (_gate)
        {
            _runners.AddRange(runners.Where(static r => r.State != RunnerState.Ended));
            _unsettled.AddRange(unsettled);
            _completedEarly.UnionWith(completed);
        }
    }

    /// <summary>Waits until a runner is wanted that there is not.</summary>
    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task wish;
            lock (_gate)
            {
                Forget();
                if (Missing > 0) return;
                if (_wish.Task.IsCompleted) _wish = New();
                wish = _wish.Task;
            }

            await wish.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Takes one wish. The runner is the caller's to dispose, which ends it.</summary>
    /// <returns>Null: there are enough.</returns>
    public FleetRunner? TryBegin()
    {
        lock (_gate)
        {
            Forget();
            if (Missing <= 0) return null;
            var runner = new FleetRunner(this, $"{prefix}{RandomNumberGenerator.GetHexString(10, lowercase: true)}");
            _runners.Add(runner);
            return runner;
        }
    }

    /// <summary>Whoever asks next sees all that has ended: nobody stands for it any more.</summary>
    public void Settle()
    {
        lock (_gate) _unsettled.Clear();
    }

    /// <summary>A runner has a job, it says; which one is a name for people until GitHub says it.</summary>
    public void JobClaimed(FleetRunner runner, GitHubJobFacts job)
    {
        lock (_gate)
        {
            runner.Job ??= job;
            MoveNeedsLock(runner, RunnerState.Busy);
        }
    }

    /// <summary>GitHub says that it gave a runner a job.</summary>
    /// <returns>Whether the runner is one of ours, alive or just ended, and this is the first word of which job it has.</returns>
    public bool JobStarted(string runnerName, GitHubJobFacts? job)
    {
        lock (_gate)
        {
            if (_runners.Find(r => r.Name == runnerName) is not { } runner) return _unsettled.Exists(u => u.Name == runnerName);
            var first = runner.Confirmed is null;
            runner.Confirmed ??= job;
            runner.Job = runner.Confirmed ?? runner.Job;
            MoveNeedsLock(runner, RunnerState.Busy);
            return first;
        }
    }

    /// <summary>GitHub says that a runner's job is over.</summary>
    public void JobCompleted(string runnerName, string? result)
    {
        lock (_gate)
        {
            var runner = _runners.Find(r => r.Name == runnerName);
            if (runner is not null) runner.Result ??= result;
            if (runner is null) _unsettled.RemoveAll(u => u.Name == runnerName);
            else if (_completedEarly.Add(runnerName)) runner.Complete();
        }
    }

    internal void Move(FleetRunner runner, RunnerState state)
    {
        lock (_gate) MoveNeedsLock(runner, state);
    }

    private int Missing => _wanted - _runners.Count - _unsettled.Count;

    private void MoveNeedsLock(FleetRunner runner, RunnerState state)
    {
        if (state <= runner.State) return;
        runner.Moved(state);
        if (state != RunnerState.Ended) return;
        _runners.Remove(runner);
        if (!_completedEarly.Remove(runner.Name) && runner.HadJob) _unsettled.Add((runner.Name, time.GetUtcNow()));
        if (Missing > 0) _wish.TrySetResult();
    }

    private void Forget() => _unsettled.RemoveAll(u => time.GetUtcNow() - u.Ended > Settling);

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
