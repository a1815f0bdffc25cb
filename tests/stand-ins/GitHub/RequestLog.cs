namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>One request and how it was answered.</summary>
/// <param name="Target">Path and query.</param>
public sealed record Exchange(string Method, string Target, int Status = 0);

/// <summary>What was asked, in the order of answers, and what should not have been.</summary>
public sealed class RequestLog
{
    private readonly Lock _gate = new();
    private readonly List<Exchange> _exchanges = [];
    private readonly List<string> _violations = [];
    private TaskCompletionSource _added = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public IReadOnlyList<Exchange> Exchanges
    {
        get
        {
            lock (_gate) return [.. _exchanges];
        }
    }

    public IReadOnlyList<string> Violations
    {
        get
        {
            lock (_gate) return [.. _violations];
        }
    }

    /// <summary>How often something was asked whose path contains this.</summary>
    public int Count(string method, string part, int? status = null) => Exchanges.Count(e =>
        e.Method == method && e.Target.Contains(part, StringComparison.Ordinal) && (status is null || e.Status == status));

    /// <summary>Ends with the next answer.</summary>
    public Task AddedAsync(CancellationToken cancellationToken)
    {
        lock (_gate) return _added.Task.WaitAsync(cancellationToken);
    }

    internal void Add(Exchange exchange)
    {
        lock (_gate)
        {
            _exchanges.Add(exchange);
            _added.TrySetResult();
            _added = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    internal void Violate(string sentence)
    {
        lock (_gate) _violations.Add(sentence);
    }
}
