using System.Buffers;
using RunnerVm.Jobs;

namespace RunnerVm.Logs;

/// <summary>
/// Everything a job says goes through here: secrets are taken out, events get their time and their order, and one at a
/// time they reach the sink. Waiting for a slow sink is how a slow reader slows the guest.
/// </summary>
internal sealed class JobLog(IJobSink sink, SecretMasker masker, TimeProvider time) : IAsyncDisposable
{
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly ArrayBufferWriter<byte> _masked = new();
    private readonly Dictionary<OutputStream, MaskedStream> _open = [];
    private RunningStep? _step;

    /// <summary>The step that runs, for records kept beside the log; null between steps.</summary>
    public RunningStep? CurrentStep => Volatile.Read(ref _step);

    public Task PhaseAsync(JobPhase phase, JobPhase previous, TimeSpan elapsed) =>
        EmitAsync(new JobEvent.PhaseEntered(time.GetUtcNow(), phase, previous, elapsed));

    /// <summary>Takes secrets out of a text that is kept beside the log.</summary>
    public string Mask(string text) => masker.Mask(text);

    public Task NoticeAsync(string text) => EmitAsync(new JobEvent.Notice(time.GetUtcNow(), masker.Mask(text)));

    public Task PreparationAsync(string what, double? fraction, string text) =>
        EmitAsync(new JobEvent.Preparation(time.GetUtcNow(), what, fraction, text));

    public Task MachineReadyAsync(string engine, string kernel, bool restored, double bootMilliseconds, double thawMilliseconds) =>
        EmitAsync(new JobEvent.MachineReady(
            time.GetUtcNow(), engine, kernel, restored, TimeSpan.FromMilliseconds(bootMilliseconds), TimeSpan.FromMilliseconds(thawMilliseconds)));

    public Task ArtifactsStoredAsync(string folder, int entries, long bytes) =>
        EmitAsync(new JobEvent.ArtifactsStored(time.GetUtcNow(), folder, entries, bytes));

    public Task StepStartedAsync(int index, string name)
    {
        var step = new RunningStep(index, masker.Mask(name));
        Volatile.Write(ref _step, step);
        return EmitAsync(new JobEvent.StepStarted(time.GetUtcNow(), index, step.Name));
    }

    public Task StepSkippedAsync(int index, string name) =>
        EmitAsync(new JobEvent.StepSkipped(time.GetUtcNow(), index, masker.Mask(name)));

    /// <summary>Ends the step's streams, so that a held-back beginning of a secret that never came is shown, then says how it ended.</summary>
    public async Task StepFinishedAsync(int index, string name, int exitCode, TimeSpan elapsed, string? diagnosis)
    {
        foreach (var stream in _open.Keys.ToArray()) await CompleteAsync(index, stream);
        Volatile.Write(ref _step, null);
        var said = diagnosis is null ? null : masker.Mask(diagnosis);
        await EmitAsync(new JobEvent.StepFinished(time.GetUtcNow(), index, masker.Mask(name), exitCode, elapsed, said));
    }

    /// <summary>Bytes of a step as the guest wrote them; returns when the sink has taken what could be shown.</summary>
    public async ValueTask OutputAsync(int index, OutputStream stream, ReadOnlyMemory<byte> bytes)
    {
        await _turn.WaitAsync();
        try
        {
            if (!_open.TryGetValue(stream, out var masked)) _open[stream] = masked = masker.Open();
            _masked.ResetWrittenCount();
            masked.Write(bytes.Span, _masked);
            await WriteOutputAsync(index, stream);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Begins to show bytes that move; dispose it when they have stopped moving for whatever reason.</summary>
    public TransferProgress BeginTransfer(string what, long? totalBytes) => new(this, time, what, totalBytes);

    public Task FinishAsync(JobOutcome outcome) =>
        EmitAsync(new JobEvent.JobFinished(time.GetUtcNow(), Masked(outcome), JobExit.Code(outcome)));

    public ValueTask DisposeAsync()
    {
        _turn.Dispose();
        return ValueTask.CompletedTask;
    }

    internal async Task EmitAsync(JobEvent jobEvent)
    {
        await _turn.WaitAsync();
        try
        {
            await sink.WriteAsync(jobEvent, CancellationToken.None);
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task CompleteAsync(int index, OutputStream stream)
    {
        await _turn.WaitAsync();
        try
        {
            if (!_open.Remove(stream, out var masked)) return;
            _masked.ResetWrittenCount();
            masked.Complete(_masked);
            await WriteOutputAsync(index, stream);
        }
        finally
        {
            _turn.Release();
        }
    }

    private ValueTask WriteOutputAsync(int index, OutputStream stream) => _masked.WrittenCount == 0
        ? ValueTask.CompletedTask
        : sink.WriteAsync(new JobEvent.Output(time.GetUtcNow(), index, stream, _masked.WrittenMemory), CancellationToken.None);

    private JobOutcome Masked(JobOutcome outcome) => outcome switch
    {
        JobOutcome.StepFailed failed => failed with { Step = masker.Mask(failed.Step), Diagnosis = failed.Diagnosis is { } d ? masker.Mask(d) : null },
        JobOutcome.RunnerFailed failed => failed with { Message = masker.Mask(failed.Message) },
        JobOutcome.TimedOut timedOut => timedOut with { What = masker.Mask(timedOut.What) },
        _ => outcome,
    };
}

/// <param name="Name">Masked.</param>
internal sealed record RunningStep(int Index, string Name);
