using RunnerVm.Jobs;

namespace RunnerVm.Logs;

/// <summary>
/// Shows a job to a person. The job's output goes to the stream it was written to, as it was written; all of ours goes
/// to standard error, so that <c>runnervm exec job.yml &gt; out.txt</c> holds the job's output and nothing else.
/// </summary>
/// <remarks>A write returns when the stream has taken it: a reader who stops reading stops the job's writer.</remarks>
internal sealed partial class ConsoleSink : IJobSink
{
    private readonly ConsoleSettings _settings;
    private readonly ConsoleStyle _style;
    private readonly ConsoleScreen _screen;
    private readonly TimingTable _timings = new();
    private readonly Dictionary<string, TransferProgress> _transfers = [];
    private DateTimeOffset? _firstEvent;

    public ConsoleSink(ConsoleSettings settings)
    {
        _settings = settings;
        _style = new ConsoleStyle(settings.Color, settings.Unicode);
        _screen = new ConsoleScreen(settings);
    }

    public async ValueTask WriteAsync(JobEvent jobEvent, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _firstEvent ??= jobEvent.Time;
        switch (jobEvent)
        {
            case JobEvent.Output output:
                await _screen.ShowOutputAsync(output.Stream, output.Bytes, cancellationToken);
                return;
            case JobEvent.JobFinished finished:
                await _screen.EndStepAsync(cancellationToken);
                FinishJob(finished);
                break;
            case JobEvent.StepFinished step:
                await _screen.EndStepAsync(cancellationToken);
                _timings.AddStep(step.Name, step.Elapsed);
                Say(Describe(step));
                break;
            case JobEvent.PhaseEntered phase:
                EnterPhase(phase);
                break;
            case JobEvent.Transfer transfer:
                ShowTransfer(transfer);
                break;
            case JobEvent.StepStarted step:
                Say(_style.Starting(Readable.OneLine(step.Name)));
                break;
            case JobEvent.StepSkipped step:
                Say(_style.Skipped(Readable.OneLine(step.Name)));
                break;
            case JobEvent.Notice notice:
                SayNotice(notice.Text);
                break;
            case JobEvent.Preparation preparation:
                ShowPreparation(preparation);
                break;
            case JobEvent.MachineReady ready:
                if (!ready.Restored) _timings.AddStep("agent, to its greeting", ready.GuestBoot);
                _timings.AddStep(ready.Restored ? "restored; agent, thaw" : "cold; agent, thaw", ready.GuestThaw);
                break;
            case JobEvent.ArtifactsStored stored:
                _artifacts = stored;
                break;
        }

        await _screen.ShowAsync(cancellationToken);
    }

    private void Say(params IEnumerable<string> lines)
    {
        if (!_settings.Quiet)
            _screen.AddLines(lines);
    }

    private void SayNotice(string text)
    {
        string[] lines = [.. text.Split('\n').Select(Readable.OneLine).Where(line => line.Length > 0)];
        Say(lines.Select((line, index) => index == 0 ? _style.Note(line) : ConsoleStyle.Detail(line)));
    }

    private IEnumerable<string> Describe(JobEvent.StepFinished step)
    {
        string name = Readable.OneLine(step.Name);
        string elapsed = Readable.Duration(step.Elapsed);
        yield return step.ExitCode == 0 ? _style.Succeeded(name, elapsed) : _style.Failed(name, ExitText(step.ExitCode), elapsed);
        if (!string.IsNullOrEmpty(step.Diagnosis))
            yield return ConsoleStyle.Detail(Readable.OneLine(step.Diagnosis));
    }

    private void EnterPhase(JobEvent.PhaseEntered phase)
    {
        _timings.Add(phase.Previous, phase.Elapsed);
        string? status = phase.Phase switch
        {
            JobPhase.Preparing => "preparing",
            JobPhase.Booting => "starting the machine",
            JobPhase.Collecting => "collecting",
            JobPhase.Destroying => "removing the machine",
            _ => null,
        };
        SetStatus(status is null ? null : _style.Status(status, _settings.Columns));
    }

    private void SetStatus(string? status)
    {
        if (_settings.Animate && !_settings.Quiet)
            _screen.SetStatus(status);
    }

    private void ShowTransfer(JobEvent.Transfer transfer)
    {
        string what = Readable.OneLine(transfer.What);
        bool isNew = !_transfers.TryGetValue(what, out TransferProgress progress);
        if (isNew)
            progress = new TransferProgress(transfer.Time, DateTimeOffset.MinValue);
        TimeSpan elapsed = transfer.Time - progress.Started;
        string? rate = Readable.Rate(transfer.Bytes, elapsed);
        if (transfer.Finished)
        {
            _transfers.Remove(what);
            SetStatus(null);
            Say(_style.Succeeded(what, Readable.Size(transfer.Bytes), Readable.Duration(elapsed), rate));
            return;
        }

        if (!_settings.Animate && isNew)
            Say(_style.Note(transfer.TotalBytes is { } total ? $"{what}: {Readable.Size(total)}" : what));
        if (transfer.Time - progress.Drawn >= TransferProgress.Interval)
        {
            SetStatus(_style.Progress(what, transfer.Bytes, transfer.TotalBytes, rate, _settings.Columns));
            progress = progress with { Drawn = transfer.Time };
        }

        _transfers[what] = progress;
    }

    private void FinishJob(JobEvent.JobFinished finished)
    {
        _screen.SetStatus(null);
        if (_settings.Timings)
            _screen.AddLines(_timings.Render(_settings.Unicode));
        string elapsed = Readable.Duration(finished.Time - _firstEvent!.Value);
        if (finished.Outcome is JobOutcome.Succeeded)
            Say(_style.Succeeded("job succeeded", elapsed));
        else
            _screen.AddLines([_style.Failed(Readable.OneLine(Describe(finished.Outcome)), elapsed)]);

        // Last, so that a person finds it and a script can take it: the folder's path is the line's end.
        if (_artifacts is { } stored)
            _screen.AddLines([_style.Note($"artifacts: {stored.Entries} files, {Readable.Size(stored.Bytes)}, in {stored.Folder}")]);
    }

    private static string Describe(JobOutcome outcome) => outcome switch
    {
        JobOutcome.StepFailed { Diagnosis: { Length: > 0 } diagnosis } failed =>
            $"job failed: step '{failed.Step}', {ExitText(failed.ExitCode)}: {diagnosis}",
        JobOutcome.StepFailed failed => $"job failed: step '{failed.Step}', {ExitText(failed.ExitCode)}",
        JobOutcome.TimedOut late => $"job timed out: {late.What} took longer than {Readable.Duration(late.Limit)}",
        JobOutcome.Cancelled => "job cancelled",
        JobOutcome.RunnerFailed runner => $"runner failed: {runner.Message}",
        _ => "job ended",
    };

    private static string ExitText(int exitCode) => exitCode switch
    {
        129 => "exit 129 (SIGHUP)",
        130 => "exit 130 (SIGINT)",
        134 => "exit 134 (SIGABRT)",
        135 => "exit 135 (SIGBUS)",
        136 => "exit 136 (SIGFPE)",
        137 => "exit 137 (SIGKILL)",
        139 => "exit 139 (SIGSEGV)",
        143 => "exit 143 (SIGTERM)",
        _ => $"exit {exitCode}",
    };

    /// <summary>A transfer that goes on: when it began and when its bar was last drawn.</summary>
    private readonly record struct TransferProgress(DateTimeOffset Started, DateTimeOffset Drawn)
    {
        public static TimeSpan Interval { get; } = TimeSpan.FromMilliseconds(80);
    }
}
