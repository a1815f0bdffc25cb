using RunnerVm.Sources.GitHub.Rest;

namespace RunnerVm.Sources.GitHub.Runners;

/// <summary>
/// One runner's registration, from the wish for it to its removal. Made at most once; after the first removal it is not
/// made any more. Safe to use from several threads.
/// </summary>
internal sealed class RunnerRegistration(IRunnerRegistry registry, string name)
{
    /// <summary>An answer to a registration is waited for even while everything ends: otherwise nobody would remove what it made.</summary>
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(30);

    private readonly Lock _gate = new();
    private Task<JitConfiguration>? _made;
    private Task<RunnerRemoval>? _removed;

    /// <summary>Begins to register, once; later calls do nothing.</summary>
    public void Begin()
    {
        lock (_gate)
        {
            if (_removed is null) _made ??= MakeAsync();
        }
    }

    /// <summary>What the runner needs to connect.</summary>
    /// <exception cref="GitHubException">It could not be registered.</exception>
    /// <exception cref="OperationCanceledException">It was removed before it was made.</exception>
    public Task<JitConfiguration> ConfigurationAsync(CancellationToken cancellationToken)
    {
        Begin();
        lock (_gate) return _made?.WaitAsync(cancellationToken) ?? throw new OperationCanceledException("The runner is not wanted any more.");
    }

    /// <summary>Removes what GitHub still has of it. A runner that works keeps its own, and may be asked about again.</summary>
    /// <exception cref="GitHubException">One sentence; the next call tries again.</exception>
    public async Task<RunnerRemoval> RemoveAsync(CancellationToken cancellationToken)
    {
        Task<RunnerRemoval> removal;
        lock (_gate)
        {
            if (_removed is null or { IsFaulted: true } or { IsCanceled: true } or { IsCompletedSuccessfully: true, Result: RunnerRemoval.StillBusy })
                _removed = RemoveOnceAsync(_made, cancellationToken);
            removal = _removed;
        }

        return await removal.WaitAsync(cancellationToken);
    }

    private async Task<JitConfiguration> MakeAsync()
    {
        using var limit = new CancellationTokenSource(AnswerLimit);
        try
        {
            return await registry.RegisterAsync(name, limit.Token);
        }
        catch (OperationCanceledException e)
        {
            throw new GitHubException(GitHubFault.Unavailable, $"Cannot register the runner {name}: GitHub did not answer within {AnswerLimit.TotalSeconds:0} s.", e);
        }
    }

    private async Task<RunnerRemoval> RemoveOnceAsync(Task<JitConfiguration>? made, CancellationToken cancellationToken)
    {
        await Task.Yield(); // Not under the lock.
        if (made is null) return RunnerRemoval.WasGone;
        await ((Task)made).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (made.IsCompletedSuccessfully) return await registry.RemoveAsync(made.Result.RunnerId, cancellationToken);
        // It may have been made although the answer did not reach us.
        return await registry.FindAsync(name, cancellationToken) is { } id ? await registry.RemoveAsync(id, cancellationToken) : RunnerRemoval.WasGone;
    }
}
