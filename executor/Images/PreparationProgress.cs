using RunnerVm.Logs;

namespace RunnerVm.Images;

/// <summary>
/// Carries builders' reports, which come from any thread and do not wait, to the log, which takes one event at a time.
/// </summary>
internal sealed class PreparationProgress(JobLog log) : IProgress<BuildProgress>
{
    private readonly Lock _lock = new();
    private Task _last = Task.CompletedTask;

    public void Report(BuildProgress value)
    {
        lock (_lock) _last = WriteAfterAsync(_last, value);
    }

    /// <summary>Ends when everything reported so far has been written.</summary>
    public Task DrainAsync()
    {
        lock (_lock) return _last;
    }

    private async Task WriteAfterAsync(Task earlier, BuildProgress value)
    {
        await earlier;
        await log.PreparationAsync(value.What, value.Fraction, value.Text);
    }
}
