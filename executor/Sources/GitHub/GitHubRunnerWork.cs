using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Logs;
using RunnerVm.Sources.GitHub.Hooks;
using RunnerVm.Sources.GitHub.Runners;

namespace RunnerVm.Sources.GitHub;

/// <summary>
/// GitHub's runner in its machine: started as a listener with its configuration in its environment, and left alone until
/// it leaves. Its job comes to it from GitHub; the host only reads its lines.
/// </summary>
/// <param name="software">The disk with GitHub's runner.</param>
/// <param name="stop">Of the whole machine; asked when the runner is to go.</param>
internal sealed class GitHubRunnerWork(FleetRunner runner, RunnerRegistration registration, RunnerWatch watch, Job job, JobDisk software, JobLog log, StopRequest stop, TimeProvider time) : IJobWork
{
    /// <summary>The official runner reads any of its arguments from such a variable, and takes it out before it starts a job.</summary>
    private const string ConfigurationVariable = "ACTIONS_RUNNER_INPUT_JITCONFIG";

    private const int DiagnosticLines = 8;

    private const int VersionDeprecated = 7;

    private static readonly TimeSpan CollectLimit = TimeSpan.FromSeconds(20);

    private readonly Queue<string> _last = new();
    private readonly List<string> _heard = [];
    private string? _result;
    private readonly RunnerHooks _hooks = new(runner, log, time);
    private SecretMasker _masker = new([]);
    private string _title = "";
    private bool _tooOld;

    /// <summary>How it ended; null while it runs and where the machine ended under it.</summary>
    public RunnerEnding? Ending { get; private set; }

    /// <summary>Told what GitHub calls its job, each time more of that is known.</summary>
    public Action<string> Entitled { get; init; } = static _ => { };

    /// <summary>Where the runner's own logs are kept, of a job that did not succeed.</summary>
    public required string DiagnosticsPath { get; init; }

    public async Task<JobOutcome> RunAsync(GuestSession guest, Lease lease)
    {
        _hooks.Identified = () => Entitle(lease);
        // While GitHub still registers the runner.
        await guest.SendAsync(HookScripts.Folder, HookScripts.Files, stop.Abandoned);
        JitConfiguration configuration;
        try
        {
            configuration = await registration.ConfigurationAsync(stop.Asked);
        }
        catch (GitHubException e)
        {
            Ending = new RunnerEnding.NotRegistered(e);
            return new JobOutcome.Cancelled();
        }

        // Nothing it says should hold the configuration, and what is kept of what it says certainly does not.
        _masker = new([configuration.Encoded]);
        var lines = new RunnerLines(line => Hear(_masker.Mask(line), lease));
        await log.StepStartedAsync(0, "runner");
        watch.Started();
        var started = time.GetTimestamp();
        var result = await guest.ExecAsync(Request(configuration), (_, bytes) => TakeAsync(lines, bytes), stop);
        lines.End();
        await _hooks.EndAsync(_result);
        var code = result.ExitCode ?? (result.Signal is { } signal ? 128 + signal : 127);
        await log.StepFinishedAsync(0, "runner", code, time.GetElapsedTime(started), StepSequence.Diagnose(job, result, code));
        Ending = Judge(result, code);
        return stop.Asked.IsCancellationRequested ? new JobOutcome.Cancelled() : new JobOutcome.Succeeded();
    }

    /// <summary>Of a job that went well there is nothing to look for.</summary>
    public async Task<JobOutcome> CollectAsync(GuestSession guest, JobOutcome outcome, Lease lease)
    {
        if (Ending is null or RunnerEnding.NotRegistered or RunnerEnding.NotNeeded or RunnerEnding.HadJob { Result: "Succeeded" }) return outcome;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop.Abandoned);
        limit.CancelAfter(CollectLimit);
        try
        {
            if (await new RunnerDiagnostics(software.Folder, _masker.Mask).KeepAsync(guest, DiagnosticsPath, limit.Token)) await log.NoticeAsync($"the runner's own logs are in {DiagnosticsPath}");
        }
        catch (Exception e) when (e is IOException or GuestFailedException or ProtocolException or OperationCanceledException)
        {
            await log.NoticeAsync($"the runner's own logs could not be kept: {UntrustedText.Line(e.Message)}");
        }

        return outcome;
    }

    public Task ServeAsync(GuestChannel channel, CancellationToken cancellationToken) => channel.Kind == ChannelKind.Errand
        ? _hooks.ServeAsync(channel, cancellationToken)
        : IJobWork.RefuseAsync(channel);

    private ExecRequest Request(JitConfiguration configuration) => new()
    {
        Candidates = [[$"{software.Folder}/bin/Runner.Listener", "run"]],
        WorkingDirectory = software.Folder,
        // The listener ends well whatever its job met.
        TellsAlways = true,
        Environment = new(HookScripts.Environment(software.Folder))
        {
            [ConfigurationVariable] = configuration.Encoded,
            ["RUNNER_ALLOW_RUNASROOT"] = "1",
            ["ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE"] = "1",
            ["RUNNERVM"] = "true",
        },
    };

    private void Entitle(Lease lease)
    {
        var title = runner.Job?.ToString() ?? runner.JobName ?? "";
        if (Interlocked.Exchange(ref _title, title) == title) return;
        lease.Entitle(title);
        Entitled(title);
    }

    private async ValueTask TakeAsync(RunnerLines lines, ReadOnlyMemory<byte> bytes)
    {
        lines.Add(bytes.Span);
        foreach (var line in _heard) await log.NoticeAsync(line);
        _heard.Clear();
    }

    private void Hear(string line, Lease lease)
    {
        line = UntrustedText.Line(line);
        _heard.Add(line);
        _last.Enqueue(line);
        if (_last.Count > DiagnosticLines) _last.Dequeue();
        switch (RunnerLines.Read(line))
        {
            case { Kind: RunnerWordKind.Listening }:
                runner.Enter(RunnerState.Listening);
                break;
            case { Kind: RunnerWordKind.Running, Text: var job }:
                runner.Named(job!);
                Entitle(lease);
                break;
            case { Kind: RunnerWordKind.Completed, Text: var result }:
                _result = result;
                break;
            case { Kind: RunnerWordKind.TooOld }:
                _tooOld = true;
                break;
        }
    }

    private RunnerEnding Judge(ExecResult result, int code)
    {
        if (_tooOld || code == VersionDeprecated) return new RunnerEnding.TooOld();
        if (runner.HadJob) return code == 0 || _result is not null ? new RunnerEnding.HadJob(_result, Exhaustion(result)) : new RunnerEnding.LeftJob(Said(result, code));
        // A clean exit without a job: its registration was taken back while it listened.
        return runner.State == RunnerState.Listening && code == 0 ? new RunnerEnding.NotNeeded("GitHub took its registration back") : new RunnerEnding.NeverListened(Said(result, code));
    }

    private string? Exhaustion(ExecResult result) => StepSequence.Exhaustion(job, result, "the job") is { } sentence ? sentence + "." : null;

    private string Said(ExecResult result, int code) => StepSequence.Diagnose(job, result, code) ?? $"it ended with exit code {code}. The last it said: {string.Join(" / ", _last)}";
}
