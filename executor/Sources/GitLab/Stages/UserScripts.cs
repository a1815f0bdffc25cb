using RunnerVm.Guests;
using RunnerVm.Jobs;
using RunnerVm.Options;
using RunnerVm.Sources.GitLab.Payload;
using RunnerVm.Sources.GitLab.Scripts;
using RunnerVm.Sources.GitLab.Variables;

namespace RunnerVm.Sources.GitLab.Stages;

/// <summary>The job's own scripts: its steps, each when its <c>when</c> says, then after_script whatever came of them.</summary>
internal sealed class UserScripts(GitLabAssignment assignment, JobPlan plan, StageRunner stages, StopRequest stop)
{
    private const string AfterScriptStep = "after_script";

    private static readonly TimeSpan DefaultAfterScriptTimeout = TimeSpan.FromMinutes(5);

    private readonly TimeProvider _time = assignment.Host.Time;

    /// <summary>Something did not even end when it was killed: nothing more can be run.</summary>
    public bool LeftNoMachine { get; private set; }

    /// <summary>Every step but after_script. GitLab's wish to cancel and RUNNER_SCRIPT_TIMEOUT end them and nothing else.</summary>
    public async Task<JobOutcome> RunAsync()
    {
        var limit = await TimeoutAsync("RUNNER_SCRIPT_TIMEOUT", assignment.Payload.RunnerInfo.Timeout);
        using var scriptStop = new StopRequest(_time, StepSequence.Grace, stop);
        await using var cancelling = assignment.Stop.Canceling.Register(scriptStop.Ask);
        var timedOut = false;
        await using var timer = Timer(limit, () =>
        {
            timedOut = !scriptStop.Asked.IsCancellationRequested;
            scriptStop.Ask();
        });

        JobOutcome Stopped() => timedOut ? new JobOutcome.TimedOut("RUNNER_SCRIPT_TIMEOUT", limit!.Value) : new JobOutcome.Cancelled();
        JobOutcome outcome = new JobOutcome.Succeeded();
        foreach (var step in assignment.Payload.Steps.Where(static s => s.Name != AfterScriptStep && s.Script.Count > 0))
        {
            if (scriptStop.Asked.IsCancellationRequested) return Stopped();
            if (!CacheStages.Runs(step.When, outcome is JobOutcome.Succeeded)) continue;
            var failure = await RunStepAsync(step, scriptStop);
            if (LeftNoMachine || scriptStop.Asked.IsCancellationRequested) return scriptStop.Asked.IsCancellationRequested ? Stopped() : failure!;
            // What failed first is why the job failed, whatever the steps behind it do.
            if (outcome is JobOutcome.Succeeded && failure is not null) outcome = failure;
        }

        return outcome;
    }

    /// <summary>One step, within its own time where that is shorter than the job's.</summary>
    /// <returns>Null when it succeeded, or was stopped from outside.</returns>
    private async Task<JobOutcome?> RunStepAsync(JobStep step, StopRequest scriptStop)
    {
        var name = StageNames.OfStep(step.Name);
        var own = TimeSpan.FromSeconds(step.Timeout);
        using var stepStop = new StopRequest(_time, StepSequence.Grace, scriptStop);
        await using var timer = Timer(own > TimeSpan.Zero && own < assignment.Payload.RunnerInfo.Timeout ? own : null, stepStop.Ask);
        var result = await TryRunAsync(name, Script(step, plan.Variables), stepStop);
        if (scriptStop.Asked.IsCancellationRequested) return null;
        if (stepStop.Asked.IsCancellationRequested) return new JobOutcome.TimedOut(name, own);
        if (result is not { Succeeded: false }) return null;
        if (result.Diagnosis is not null) await assignment.Trace.WarnAsync(result.Diagnosis);
        return new JobOutcome.StepFailed(name, result.ExitCode, result.Diagnosis);
    }

    /// <summary>A shell that knows how the job went and changes it only when it is told that its failure counts.</summary>
    public async Task<JobOutcome> RunAfterScriptAsync(JobOutcome outcome)
    {
        if (assignment.Payload.Steps.FirstOrDefault(static s => s.Name == AfterScriptStep && s.Script.Count > 0) is not { } step) return outcome;
        var limit = await TimeoutAsync("RUNNER_AFTER_SCRIPT_TIMEOUT", assignment.Payload.RunnerInfo.Timeout) ?? DefaultAfterScriptTimeout;
        using var ownStop = new StopRequest(_time, StepSequence.Grace, stop);
        await using var timer = Timer(limit, ownStop.Ask);
        var result = await TryRunAsync(StageNames.AfterScript, Script(step, plan.Variables.With(("CI_JOB_STATUS", Status(outcome)))), ownStop);
        if (result is { Succeeded: true } || stop.Asked.IsCancellationRequested) return outcome;

        var why = ownStop.Asked.IsCancellationRequested ? $"did not end within {limit}" : $"failed with exit code {result?.ExitCode}";
        var counts = outcome is JobOutcome.Succeeded && !plan.Variables.Flag("AFTER_SCRIPT_IGNORE_ERRORS", true);
        await assignment.Trace.WarnAsync(counts ? $"after_script {why}." : $"after_script {why}, but the job goes on as it would have without.");
        return counts ? new JobOutcome.StepFailed(StageNames.AfterScript, result?.ExitCode ?? 1, result?.Diagnosis) : outcome;
    }

    /// <returns>Null when it could not be ended: then there is no machine to go on with.</returns>
    private async Task<StageResult?> TryRunAsync(string name, string script, StopRequest ownStop)
    {
        try
        {
            return await stages.RunAsync(name, script, ownStop);
        }
        catch (OperationCanceledException) when (!stop.Abandoned.IsCancellationRequested)
        {
            LeftNoMachine = true;
            return null;
        }
    }

    private string Script(JobStep step, JobVariables variables)
    {
        var script = StageScript.Begin(variables, plan.Paths);
        // What a release says is a text with variables in it, not shell.
        var expands = step.Name == "release";
        foreach (var command in step.Script) script.Command(expands ? variables.Expand(command) : command);
        return script.ToString();
    }

    /// <summary>A span of time a job gives itself; none when it says nothing or nothing that can be read.</summary>
    private async Task<TimeSpan?> TimeoutAsync(string name, TimeSpan most)
    {
        if (plan.Variables.Find(name) is not { Length: > 0 } text || text is "0" or "0s") return null;
        if (!Duration.TryParse(text, out var limit, out var problem))
        {
            await assignment.Trace.WarnAsync($"{name} is \"{UntrustedText.Line(text)}\" and is not used: {problem}");
            return null;
        }

        if (limit <= most) return limit;
        await assignment.Trace.WarnAsync($"{name} is longer than the job's own timeout of {most} and is not used.");
        return null;
    }

    private ITimer? Timer(TimeSpan? limit, Action onOver) =>
        limit is { } due ? _time.CreateTimer(_ => onOver(), null, due, Timeout.InfiniteTimeSpan) : null;

    private static string Status(JobOutcome outcome) => outcome switch
    {
        JobOutcome.Succeeded => "success",
        JobOutcome.Cancelled => "canceled",
        JobOutcome.TimedOut => "timedout",
        _ => "failed",
    };
}
