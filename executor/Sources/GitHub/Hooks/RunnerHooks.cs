using System.Diagnostics.CodeAnalysis;
using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Logs;
using RunnerVm.Sources.GitHub.Runners;

namespace RunnerVm.Sources.GitHub.Hooks;

/// <summary>
/// The host's end of a runner's hooks: which job it is, and which of its steps runs, into the job's log, its egress audit and
/// wherever the host names the job. In order and one at a time; bounded in number.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "The semaphore makes no wait handle, and is memory only.")]
internal sealed class RunnerHooks(FleetRunner runner, JobLog log, TimeProvider time)
{
    /// <summary>Beginnings and ends of steps that are listened to; GitHub allows a job 1,000 steps.</summary>
    private const int MostWords = 4096;

    private const int Refused = 1;

    private readonly SemaphoreSlim _turn = new(1, 1);
    private int _underWay;
    private int _words;
    private int _steps;
    private bool _told;
    private (int Index, string Name, long Started)? _open;

    /// <summary>Told once, when the hook has said which job it is.</summary>
    public Action Identified { get; set; } = static () => { };

    /// <exception cref="ProtocolException">The guest broke a rule: the machine is ended.</exception>
    public async Task ServeAsync(GuestChannel channel, CancellationToken cancellationToken)
    {
        try
        {
            if (Interlocked.Increment(ref _underWay) > Limits.MaxErrands)
            {
                channel.Reset("too many calls at once");
                return;
            }

            var request = await ErrandCall.ReadAsync(channel, cancellationToken);
            await _turn.WaitAsync(cancellationToken);
            try
            {
                ErrandCall.Answer(channel, await TakeAsync(request.Arguments) ? 0 : Refused);
            }
            finally
            {
                _turn.Release();
            }
        }
        catch (Exception e) when (e is OperationCanceledException or ChannelResetException)
        {
            channel.Reset("The call was given up.");
        }
        finally
        {
            Interlocked.Decrement(ref _underWay);
        }
    }

    /// <summary>The runner has left: what it was at is over.</summary>
    /// <param name="result">Of the whole job; null where it did not say.</param>
    public async Task EndAsync(string? result)
    {
        await _turn.WaitAsync();
        try
        {
            _words = MostWords;
            await EndStepAsync(result ?? "over");
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<bool> TakeAsync(string[] arguments)
    {
        if (++_words > MostWords) return false;
        if (HookWords.ReadJob(arguments) is { } job) return await IdentifyAsync(job);
        switch (HookWords.ReadStep(arguments))
        {
            case { Begins: { } name }:
                await EndStepAsync("over");
                _open = (++_steps, name, time.GetTimestamp());
                await log.StepStartedAsync(_steps, name);
                return true;
            case { Result: { } result }:
                await EndStepAsync(result);
                return true;
            default:
                return arguments is [HookWords.JobCompleted];
        }
    }

    private async Task<bool> IdentifyAsync(GitHubJobFacts job)
    {
        if (_told) return false;
        _told = true;
        runner.Identified(job);
        await log.NoticeAsync($"job {job}{(job.Workflow is { Length: > 0 } workflow ? $", workflow {workflow}" : "")}{(job.Attempt > 1 ? $", attempt {job.Attempt}" : "")}");
        Identified();
        return true;
    }

    private async Task EndStepAsync(string result)
    {
        if (_open is not var (index, name, started)) return;
        _open = null;
        if (result == "Skipped") await log.StepSkippedAsync(index, name);
        else await log.StepFinishedAsync(index, name, result is "Failed" or "Canceled" ? 1 : 0, time.GetElapsedTime(started), result is "Succeeded" or "over" ? null : result.ToLowerInvariant());
    }
}
