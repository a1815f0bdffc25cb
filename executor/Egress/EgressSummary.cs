namespace RunnerVm.Egress;

/// <param name="Name">A host name, or an address nobody looked up; safe to print.</param>
/// <param name="Port">0 for names that were only looked up.</param>
internal sealed record EgressDestination(
    string Name, int Port, int Allowed, int Denied, int Audited, int Failed, long BytesUp, long BytesDown)
{
    public int Count => Allowed + Denied + Audited + Failed;

    /// <summary>For people.</summary>
    public string Place => Port == 0 ? $"the name {Name}" : $"{Name} port {Port}";

    /// <summary>For people.</summary>
    public string DeniedTimes => Denied == 1 ? "once" : $"{Denied} times";
}

/// <summary>What a job did on the network, for the end of its log.</summary>
/// <param name="Connections">TCP connections asked for.</param>
/// <param name="Destinations">The busiest, most bytes first, then most connections.</param>
/// <param name="OtherDestinations">How many more there were.</param>
/// <param name="Refused">Connections and look-ups that were denied, with the destinations they were for.</param>
/// <param name="UnwrittenLines">Lines the audit file does not hold: it is bounded, and disks fill up.</param>
internal sealed record EgressSummary(
    int Connections,
    int DeniedConnections,
    int DeniedNames,
    long BytesUp,
    long BytesDown,
    IReadOnlyList<EgressDestination> Destinations,
    int OtherDestinations,
    IReadOnlyList<EgressDestination> Refused,
    long UnwrittenLines);

/// <summary>Counts by destination; bounded, since the guest invents destinations at will. Safe from any thread.</summary>
internal sealed class EgressTally
{
    private const int MaximumDestinations = 10_000;
    private const string Others = "(others)";

    private readonly Lock _lock = new();
    private readonly Dictionary<(string Name, int Port), EgressDestination> _destinations = [];
    private int _connections;
    private int _deniedConnections;
    private int _deniedNames;
    private long _up;
    private long _down;

    public void Connection(string name, int port, EgressVerdict verdict, long up, long down)
    {
        lock (_lock)
        {
            _connections++;
            if (verdict == EgressVerdict.Denied) _deniedConnections++;
            _up += up;
            _down += down;
            Add_NeedsLock(name, port, verdict, up, down);
        }
    }

    public void Name(string name, EgressVerdict verdict)
    {
        lock (_lock)
        {
            if (verdict == EgressVerdict.Denied) _deniedNames++;
            Add_NeedsLock(name, 0, verdict, 0, 0);
        }
    }

    public EgressSummary Summarize(int destinations, long unwritten)
    {
        lock (_lock)
        {
            var busiest = _destinations.Values
                .OrderByDescending(d => d.BytesUp + d.BytesDown).ThenByDescending(d => d.Count).ThenBy(d => d.Name, StringComparer.Ordinal)
                .Where(d => d.Allowed + d.Audited + d.Failed > 0).ToList();
            var refused = _destinations.Values.Where(d => d.Denied > 0)
                .OrderByDescending(d => d.Denied).ThenBy(d => d.Name, StringComparer.Ordinal).Take(destinations).ToList();
            return new(_connections, _deniedConnections, _deniedNames, _up, _down,
                [.. busiest.Take(destinations)], Math.Max(0, busiest.Count - destinations), refused, unwritten);
        }
    }

    private void Add_NeedsLock(string name, int port, EgressVerdict verdict, long up, long down)
    {
        var key = (name, port);
        if (!_destinations.ContainsKey(key) && _destinations.Count >= MaximumDestinations) key = (Others, 0);
        var old = _destinations.GetValueOrDefault(key) ?? new(key.Item1, key.Item2, 0, 0, 0, 0, 0, 0);
        _destinations[key] = old with
        {
            Allowed = old.Allowed + (verdict == EgressVerdict.Allowed ? 1 : 0),
            Denied = old.Denied + (verdict == EgressVerdict.Denied ? 1 : 0),
            Audited = old.Audited + (verdict == EgressVerdict.Audited ? 1 : 0),
            Failed = old.Failed + (verdict == EgressVerdict.Failed ? 1 : 0),
            BytesUp = old.BytesUp + up,
            BytesDown = old.BytesDown + down,
        };
    }
}
