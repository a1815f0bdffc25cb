namespace RunnerVm.Agents;

/// <summary>The two wishes an agent can be stopped by: take no more jobs and let those that run finish, and end them now.</summary>
internal sealed class AgentStop : IDisposable
{
    private readonly CancellationTokenSource _draining;
    private readonly CancellationTokenSource _aborting;
    private readonly CancellationTokenSource _expired;

    /// <param name="whole">Stops this too.</param>
    public AgentStop(AgentStop? whole = null)
    {
        _draining = CancellationTokenSource.CreateLinkedTokenSource(whole?.Draining ?? default);
        _aborting = CancellationTokenSource.CreateLinkedTokenSource(whole?.Aborting ?? default);
        _expired = CancellationTokenSource.CreateLinkedTokenSource(whole?.Expired ?? default);
    }

    /// <summary>How long ended jobs have to be reported; what is not told then is told by the next start.</summary>
    private static readonly TimeSpan ReportingLimit = TimeSpan.FromSeconds(45);

    public CancellationToken Draining => _draining.Token;

    public CancellationToken Aborting => _aborting.Token;

    /// <summary>No more time, not even to report.</summary>
    public CancellationToken Expired => _expired.Token;

    public void Drain() => _draining.Cancel();

    public void Abort()
    {
        _draining.Cancel();
        _aborting.Cancel();
        _expired.CancelAfter(ReportingLimit);
    }

    public void Dispose()
    {
        _expired.Dispose();
        _aborting.Dispose();
        _draining.Dispose();
    }
}
