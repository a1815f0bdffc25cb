using RunnerVm.Guests;
using RunnerVm.Sources.GitHub.Rest;
using RunnerVm.Sources.GitHub.Runners;

namespace RunnerVm.Sources.GitHub;

/// <summary>
/// What may end a runner beside itself: it never connects, no job comes, nobody waits for it any more, or GitHub says that
/// its job is over. A runner that got a job in the very moment keeps it: GitHub is asked for its registration first, and
/// refuses that to one at work.
/// </summary>
internal sealed class RunnerWatch : IAsyncDisposable
{
    /// <summary>From the runner's start to its first question for a job; it takes a second where nothing is wrong, and a minute or more on an emulated processor.</summary>
    internal static readonly TimeSpan ConnectLimit = TimeSpan.FromMinutes(5);

    /// <summary>After GitHub said that the job is over: for the runner to leave by itself.</summary>
    private static readonly TimeSpan LeavingLimit = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan RemovalLimit = TimeSpan.FromSeconds(20);

    /// <summary>Between two tries to take a registration back.</summary>
    private static readonly TimeSpan RemovalPause = TimeSpan.FromSeconds(15);

    private readonly FleetRunner _runner;
    private readonly RunnerRegistration _registration;
    private readonly StopRequest _stop;
    private readonly TimeProvider _time;
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _end = new();
    private readonly Task _watching;

    public RunnerWatch(FleetRunner runner, RunnerRegistration registration, GitHubRunnerOptions options, StopRequest stop, TimeProvider time)
    {
        (_runner, _registration, _stop, _time) = (runner, registration, stop, time);
        _watching = Task.WhenAll(WatchConnectingAsync(), WatchIdlingAsync(options.IdleLimit), WatchRetirementAsync(), WatchCompletionAsync());
    }

    /// <summary>Why it was ended; null when it was not.</summary>
    public RunnerEnding? Ending { get; private set; }

    /// <summary>The runner's process starts now.</summary>
    public void Started() => _started.TrySetResult();

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _end.Dispose();
    }

    private async Task WatchConnectingAsync()
    {
        await _started.Task.WaitAsync(_end.Token);
        await Task.Delay(ConnectLimit, _time, _end.Token);
        if (_runner.State < RunnerState.Listening) End(new RunnerEnding.NeverListened($"it did not listen for jobs within {ConnectLimit.TotalMinutes:0} minutes. Does its network let it reach GitHub?"));
    }

    private async Task WatchIdlingAsync(TimeSpan limit)
    {
        await _runner.Listening.WaitAsync(_end.Token);
        await Task.Delay(limit, _time, _end.Token);
        await LetGoAsync($"no job came within {limit.TotalMinutes:0.#} minutes");
    }

    private async Task WatchRetirementAsync()
    {
        await UntilAsync(_runner.Retired);
        await LetGoAsync("nobody waited for it any more");
    }

    private async Task WatchCompletionAsync()
    {
        await UntilAsync(_runner.Completed);
        await Task.Delay(LeavingLimit, _time, _end.Token);
        End(new RunnerEnding.HadJob(null));
    }

    private async Task LetGoAsync(string why)
    {
        while (_runner.State < RunnerState.Busy)
        {
            switch (await TryRemoveAsync())
            {
                case RunnerRemoval.Removed or RunnerRemoval.WasGone:
                    End(new RunnerEnding.NotNeeded(why));
                    return;
                case RunnerRemoval.StillBusy:
                    return;
                default:
                    await Task.Delay(RemovalPause, _time, _end.Token);
                    break;
            }
        }
    }

    /// <returns>Null: GitHub is away. It may have given the runner a job, and a machine that waits costs less than that job.</returns>
    private async Task<RunnerRemoval?> TryRemoveAsync()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_end.Token);
        limit.CancelAfter(RemovalLimit);
        try
        {
            return await _registration.RemoveAsync(limit.Token);
        }
        catch (Exception e) when ((e is GitHubException or UserException or OperationCanceledException) && !_end.IsCancellationRequested)
        {
            return null;
        }
    }

    private void End(RunnerEnding ending)
    {
        Ending ??= ending;
        _stop.Ask();
    }

    private async Task UntilAsync(CancellationToken wanted)
    {
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = wanted.Register(reached.SetResult);
        await reached.Task.WaitAsync(_end.Token);
    }
}
