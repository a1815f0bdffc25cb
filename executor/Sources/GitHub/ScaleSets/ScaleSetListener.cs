using RunnerVm.Sources.GitHub.Runners;
using Serilog;

namespace RunnerVm.Sources.GitHub.ScaleSets;

/// <summary>What a listener listens to.</summary>
/// <param name="Name">Of the set; unique in its group.</param>
/// <param name="Group">Of runners; null is the default one.</param>
/// <param name="Labels">What <c>runs-on</c> may ask for.</param>
/// <param name="Owner">Shown by GitHub to whoever finds the set's session taken.</param>
internal sealed record ScaleSetListenerOptions(string Name, string? Group, IReadOnlyList<string> Labels, string Owner);

/// <summary>
/// Keeps a fleet as large as GitHub's counts say, as long as it is told to.
/// <code>
///  Adopting ──► Opening ──► Polling ──► Closing ──► Closed
///     ▲  ▲         ▲  │        │  ▲        ▲
///     │  └─ set ───┤  │taken   │  │        │ stop, from anywhere
///     │     gone   └──┼────────┘  │
///     └───────── Pausing ─────────┘
/// </code>
/// One method a state, which returns the next; trouble of any kind is a pause and another try, never an end. What is
/// listened with stays as it is while GitHub is away: machines that run go on.
/// </summary>
internal sealed partial class ScaleSetListener(
    ScaleSetClient client, ScaleSetListenerOptions options, RunnerFleet fleet, Func<int> capacity, ILogger log, TimeProvider time)
{
    /// <summary>Closing must not wait for a GitHub that is away: the session times out by itself.</summary>
    internal static readonly TimeSpan ClosingLimit = TimeSpan.FromSeconds(13);

    private ScaleSet? _set;
    private MessageSession? _session;
    private ScaleSetStatistics _statistics = new();
    private long _lastMessage;

    /// <summary>Where it is; written by <see cref="RunAsync"/> alone.</summary>
    public ListenerState State { get; private set; } = ListenerState.Adopting;

    /// <summary>The set, once adopted: runners are registered with it.</summary>
    public ScaleSet? Set => _set;

    /// <summary>The session a listener before us did not close; null: it did.</summary>
    public Func<SessionRecord?> Left { get; init; } = static () => null;

    /// <summary>Told of each session, so that it can be closed for us.</summary>
    public Action<SessionRecord> Opened { get; init; } = static _ => { };

    /// <summary>The session is over.</summary>
    public Action Closed { get; init; } = static () => { };

    /// <summary>A job of ours has started, so long after it entered GitHub's queue.</summary>
    public Action<TimeSpan> Started { get; init; } = static _ => { };

    /// <summary>The last sentence of trouble, or null while all is well.</summary>
    public string? Trouble { get; private set; }

    public async Task RunAsync(CancellationToken stop)
    {
        while (State != ListenerState.Closed) State = await NextAsync(stop);
    }

    private async Task<ListenerState> NextAsync(CancellationToken stop)
    {
        if (stop.IsCancellationRequested && State != ListenerState.Closing) return ListenerState.Closing;
        try
        {
            return State switch
            {
                ListenerState.Adopting => await AdoptAsync(stop),
                ListenerState.Opening => await OpenAsync(stop),
                ListenerState.Polling => await PollAsync(stop),
                ListenerState.Pausing => await PauseAsync(stop),
                _ => await CloseAsync(),
            };
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return ListenerState.Closing;
        }
        catch (Exception e) when (e is ServiceException or GitHubException or UserException)
        {
            return Judge(e);
        }
    }

    private async Task<ListenerState> AdoptAsync(CancellationToken stop)
    {
        _set = await client.AdoptAsync(options.Name, options.Group, options.Labels, stop);
        log.Information("Scale set {Name} ({Id}) with labels {Labels}", _set.Name, _set.Id, string.Join(", ", options.Labels));
        return ListenerState.Opening;
    }

    private async Task<ListenerState> OpenAsync(CancellationToken stop)
    {
        await CloseLeftAsync(stop);
        // An answer we did not wait for would leave a session open that nobody closes, and hold off the next start.
        using var limit = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        await using var registration = stop.Register(() => limit.CancelAfter(ClosingLimit));
        _session = await client.OpenSessionAsync(_set!.Id, options.Owner, limit.Token);
        Opened(new(_set.Id, _session.Id));
        _lastMessage = 0;
        Record(_session.Statistics);
        return ListenerState.Polling;
    }

    /// <summary>A session without its listener holds off the next one for about a minute, unless it is closed.</summary>
    private async Task CloseLeftAsync(CancellationToken stop)
    {
        if (Left() is not { } left) return;
        await client.CloseSessionAsync(left.Set, left.Session, stop);
        Closed();
    }

    private async Task<ListenerState> PollAsync(CancellationToken stop)
    {
        var message = await _session!.PollAsync(_lastMessage, capacity(), stop);
        if (message is null) Record(_statistics);
        else await HandleAsync(message, stop);
        if (Trouble is not null) log.Information("Scale set {Name}: listening again", options.Name);
        Recover();
        return ListenerState.Polling;
    }

    private async Task<ListenerState> CloseAsync()
    {
        if (_session is null) return ListenerState.Closed;
        using var limit = new CancellationTokenSource(ClosingLimit, time);
        try
        {
            await _session.CloseAsync(limit.Token);
            Closed();
        }
        catch (Exception e) when (e is ServiceException or GitHubException or UserException or OperationCanceledException)
        {
            log.Warning("Scale set {Name}: its session was not closed and holds off the next listener for about a minute: {Reason}", options.Name, e.Message);
        }

        return ListenerState.Closed;
    }

    /// <summary>The rule of scaling: as many runners as jobs are assigned. Entries are never counted; what the host can is for whoever takes the wishes.</summary>
    private void Record(ScaleSetStatistics? statistics)
    {
        if (statistics is not null) _statistics = statistics;
        fleet.Want(_statistics.TotalAssignedJobs);
    }
}

/// <summary>See <see cref="ScaleSetListener"/>.</summary>
internal enum ListenerState
{
    Adopting,
    Opening,
    Polling,
    Pausing,
    Closing,
    Closed,
}
