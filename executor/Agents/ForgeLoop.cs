using RunnerVm.Leases;
using RunnerVm.Sources;
using Serilog;

namespace RunnerVm.Agents;

/// <summary>Asks one forge for jobs, again and again, whenever there is room for one, and runs what comes.</summary>
internal sealed class ForgeLoop(IForge forge, Capacity capacity, AgentStop stop, ILogger log, TimeProvider time)
{
    /// <summary>Refusals in a row after which a forge is left alone: the token will not get better by asking.</summary>
    private const int MostRefusals = 3;

    private static readonly TimeSpan LeftAlone = TimeSpan.FromMinutes(60);

    private static readonly TimeSpan AfterError = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan LongestSilence = TimeSpan.FromMinutes(10);

    private readonly SemaphoreSlim? _limit = forge.Limit is { } limit ? new(limit, limit) : null;
    private readonly HashSet<Task> _running = [];
    private readonly TaskCompletionSource _silent = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _refusals;

    /// <summary>Ends when the forge is neither asked nor listened to any more; jobs may still run.</summary>
    public Task Silent => _silent.Task;

    /// <summary>Until the agent drains and the last job has ended.</summary>
    public async Task RunAsync()
    {
        var listening = ListenAsync();
        try
        {
            while (!stop.Draining.IsCancellationRequested) await Task.Delay(await TryAskAsync(), time, stop.Draining);
        }
        catch (OperationCanceledException) when (stop.Draining.IsCancellationRequested)
        {
            // No more questions.
        }

        await listening;
        _silent.TrySetResult();
        await Task.WhenAll(_running);
        _limit?.Dispose();
    }

    /// <summary>Never faults: the jobs that run are waited for all the same.</summary>
    private async Task ListenAsync()
    {
        var pause = AfterError;
        while (true)
        {
            var begun = time.GetTimestamp();
            try
            {
                await forge.ListenAsync(() => capacity.RoomFor(forge.Largest), stop.Draining);
                return;
            }
            catch (Exception) when (stop.Draining.IsCancellationRequested)
            {
                // Nothing is listened to any more.
                return;
            }
            catch (Exception e)
            {
                // What went well for long is begun again soon; what fails at once, ever more slowly.
                if (time.GetElapsedTime(begun) > LongestSilence) pause = AfterError;
                log.Error(e, "{Forge}: an error of the agent's own while it listened for jobs, please report it; it listens again in {Seconds} s", forge.Name, pause.TotalSeconds);
            }

            await Task.Delay(pause, time, stop.Draining).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (stop.Draining.IsCancellationRequested) return;
            pause = pause * 2 < LongestSilence ? pause * 2 : LongestSilence;
        }
    }

    /// <summary>An error of ours must not end the asking without a word.</summary>
    private async Task<TimeSpan> TryAskAsync()
    {
        try
        {
            return await AskAsync();
        }
        catch (Exception e) when (!stop.Draining.IsCancellationRequested)
        {
            log.Error(e, "{Forge}: an error of the agent's own while it asked for a job, please report it; the next question is in {Seconds} s", forge.Name, AfterError.TotalSeconds);
            return AfterError;
        }
    }

    /// <returns>How long to wait before the next question.</returns>
    private async Task<TimeSpan> AskAsync()
    {
        await forge.WaitForWorkAsync(stop.Draining);
        if (_limit is not null) await _limit.WaitAsync(stop.Draining);
        CapacityReservation? room = null;
        try
        {
            room = await capacity.ReserveAsync(forge.Largest, stop.Draining);
            // A question that has been sent may have been answered by a job already: it is waited for while the agent drains.
            var answer = await forge.AskAsync(stop.Aborting);
            if (answer is not ForgeAnswer.Job { Run: var job }) return Judge(answer);
            _refusals = 0;
            Start(job, room);
            room = null;
            return TimeSpan.Zero;
        }
        finally
        {
            if (room is not null)
            {
                room.Dispose();
                _limit?.Release();
            }
        }
    }

    private TimeSpan Judge(ForgeAnswer answer)
    {
        if (answer is ForgeAnswer.Trouble trouble) log.Warning("{Forge}: asked for a job: {Said}", forge.Name, trouble.Said);
        if (answer is not ForgeAnswer.Refused refused)
        {
            _refusals = 0;
            return forge.Interval;
        }

        log.Error("{Forge}: refused us: {Said}", forge.Name, refused.Said);
        if (++_refusals < MostRefusals) return forge.Interval;
        log.Error("{Forge}: refused us {Count} times in a row; left alone for {Minutes} minutes. Is its token still good?", forge.Name, _refusals, LeftAlone.TotalMinutes);
        _refusals = 0;
        return LeftAlone;
    }

    private void Start(IForgeJob job, CapacityReservation room)
    {
        room.ShrinkTo(job.Size);
        log.Information("{Job} begins", job.Name);
        _running.RemoveWhere(static task => task.IsCompleted);
        _running.Add(RunJobAsync(job, room));
    }

    private async Task RunJobAsync(IForgeJob job, CapacityReservation room)
    {
        using (room)
        using (job)
        {
            await using var registration = stop.Aborting.Register(job.Interrupt);
            try
            {
                await Task.Run(() => job.RunAsync(stop.Expired));
            }
            catch (Exception e)
            {
                log.Error(e, "{Job}: an error of the agent's own, please report it", job.Name);
            }
        }

        _limit?.Release();
    }
}
