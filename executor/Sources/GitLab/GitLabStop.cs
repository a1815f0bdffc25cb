namespace RunnerVm.Sources.GitLab;

/// <summary>
/// What may be asked of a job that runs. <see cref="Canceling"/>: the script ends, after_script and uploads still
/// run. <see cref="Aborted"/>: everything ends now. The second implies the first.
/// </summary>
internal sealed class GitLabStop : IDisposable
{
    private readonly CancellationTokenSource _canceling = new();
    private readonly CancellationTokenSource _aborted = new();
    private int _reason;

    public CancellationToken Canceling => _canceling.Token;

    public CancellationToken Aborted => _aborted.Token;

    /// <summary>Why; the first reason counts, except that an abort by ourselves is always told as one.</summary>
    public GitLabStopReason Reason => (GitLabStopReason)Volatile.Read(ref _reason);

    public void Cancel()
    {
        Interlocked.CompareExchange(ref _reason, (int)GitLabStopReason.Canceled, (int)GitLabStopReason.None);
        _canceling.Cancel();
    }

    public void Abort(GitLabStopReason reason)
    {
        if (reason == GitLabStopReason.Interrupted) Volatile.Write(ref _reason, (int)reason);
        else Interlocked.CompareExchange(ref _reason, (int)reason, (int)GitLabStopReason.None);
        _canceling.Cancel();
        _aborted.Cancel();
    }

    public void Dispose()
    {
        // The sources stay: a token may still be looked at, and they hold nothing but memory.
    }
}

internal enum GitLabStopReason
{
    None,

    /// <summary>GitLab, or a person there, wants it to end.</summary>
    Canceled,

    /// <summary>GitLab no longer knows the job: it was erased, failed or given up on there. Nothing is to be reported.</summary>
    Disowned,

    /// <summary>The agent was told to stop, twice.</summary>
    Interrupted,
}
