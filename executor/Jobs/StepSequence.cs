using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Logs;
using RunnerVm.Machines;

namespace RunnerVm.Jobs;

/// <summary>Runs a job's steps in order in one guest and says how they went together.</summary>
internal sealed class StepSequence(Job job, GuestSession guest, JobLog log, TimeProvider time, StopRequest stop)
{
    /// <summary>How long a process has between SIGTERM and SIGKILL.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    /// <summary>The first failure decides; after a stop only nothing more runs.</summary>
    public async Task<JobOutcome> RunAsync()
    {
        JobOutcome outcome = new JobOutcome.Succeeded();
        for (var index = 0; index < job.Steps.Count; index++)
        {
            var step = job.Steps[index];
            if (stop.Asked.IsCancellationRequested || !StepPlan.Runs(step.Condition, outcome is not JobOutcome.Succeeded))
            {
                await log.StepSkippedAsync(index, step.Name);
                continue;
            }

            var ended = await RunStepAsync(index, step);
            if (ended is null) return new JobOutcome.TimedOut($"Step '{step.Name}'", step.Timeout!.Value);
            if (stop.Asked.IsCancellationRequested) outcome = new JobOutcome.Cancelled();
            else if (outcome is JobOutcome.Succeeded && !step.ContinueOnError) outcome = ended;
        }

        return outcome;
    }

    /// <returns>Null when its time was over and the guest could not even kill it: there is no machine to go on with.</returns>
    private async Task<JobOutcome?> RunStepAsync(int index, Step step)
    {
        var started = time.GetTimestamp();
        await log.StepStartedAsync(index, step.Name);

        using var stepStop = new StopRequest(time, Grace, stop);
        var timedOut = false;
        await using var timer = time.CreateTimer(_ =>
        {
            timedOut = !stepStop.Asked.IsCancellationRequested;
            stepStop.Ask();
        }, null, step.Timeout ?? Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

        ExecResult result;
        try
        {
            result = await guest.ExecAsync(StepPlan.ToRequest(job, step), (stream, bytes) => log.OutputAsync(index, stream, bytes), stepStop);
        }
        catch (OperationCanceledException) when (timedOut && !stop.Abandoned.IsCancellationRequested)
        {
            var said = $"Stopped after its timeout of {step.Timeout}; it did not even end when it was killed.";
            await log.StepFinishedAsync(index, step.Name, 128 + 9, time.GetElapsedTime(started), said);
            return null;
        }

        var code = result.ExitCode ?? (result.Signal is { } signal ? 128 + signal : 127);
        var diagnosis = timedOut ? $"Stopped after its timeout of {step.Timeout}." : Diagnose(job, result, code);
        await log.StepFinishedAsync(index, step.Name, code, time.GetElapsedTime(started), diagnosis);
        if (timedOut) return new JobOutcome.TimedOut($"Step '{step.Name}'", step.Timeout!.Value);
        return code == 0 ? new JobOutcome.Succeeded() : new JobOutcome.StepFailed(step.Name, code, diagnosis);
    }

    /// <summary>What the machine knows about a failure and the exit code does not say.</summary>
    public static string? Diagnose(Job job, ExecResult result, int code)
    {
        if (code == 0) return null;
        if (result.Error is not null) return result.Error;
        if (Exhaustion(job, result, "this step") is { } exhaustion) return $"{exhaustion} or {(result.OutOfMemory ? "--memory" : "--disk")}.";
        return result.Signal is { } signal ? $"Ended by signal {signal} ({SignalName.Of(signal) ?? "see signal(7)"})." : null;
    }

    /// <summary>Which of the machine's means ran out, and the setting that gives more, without a full stop; null: none did.</summary>
    /// <param name="whose">A process of it was killed, or met the full disk.</param>
    public static string? Exhaustion(Job job, ExecResult result, string whose)
    {
        if (result.OutOfMemory) return $"The machine's memory ({job.Machine.MemoryMib} MiB) was full and its kernel killed a process of {whose}. Give it more by 'runner: memory:'";
        return result.DiskFull ? $"The machine's disk ({job.Machine.DiskBytes >> 20} MiB) was full in {whose}. Give it more by 'runner: disk:'" : null;
    }
}
