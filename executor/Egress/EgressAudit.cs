using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace RunnerVm.Egress;

/// <summary>The step that runs when something is asked for; its index counts from 0 in the job.</summary>
internal readonly record struct EgressStep(int Index, string Name);

/// <summary>One line of the audit log. Names come from the guest; every control character in them is escaped.</summary>
internal sealed record EgressAuditLine
{
    public required DateTimeOffset Time { get; init; }

    public int? Step { get; init; }

    public string? StepName { get; init; }

    /// <summary>The name last looked up for the address, or the name that was looked up; null when there was none.</summary>
    public string? Name { get; init; }

    /// <summary>Where the guest wanted to go; null for a look-up.</summary>
    public string? Address { get; init; }

    public int? Port { get; init; }

    /// <summary><c>tcp</c> or <c>dns</c>.</summary>
    public required string Protocol { get; init; }

    /// <summary><c>allowed</c>, <c>denied</c>, <c>audited</c> or <c>failed</c>.</summary>
    public required string Verdict { get; init; }

    public required string Reason { get; init; }

    /// <summary>From the guest.</summary>
    public long BytesUp { get; init; }

    /// <summary>To the guest.</summary>
    public long BytesDown { get; init; }

    public long Milliseconds { get; init; }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(EgressAuditLine))]
internal sealed partial class EgressAuditJson : JsonSerializerContext;

/// <summary>
/// The record of everything a machine asked of the network: one JSON line for each connection, written when it ends,
/// and for each name that was denied or failed. Bounded in lines; beyond the bound things are still counted. Owns its
/// stream. Safe from any thread.
/// </summary>
internal sealed class EgressAudit : IAsyncDisposable
{
    /// <summary>Lines a job may cause before its audit only counts: about 25 MB.</summary>
    public const int MaximumLines = 100_000;

    private readonly Stream _stream;
    private readonly Func<EgressStep?> _currentStep;
    private readonly TimeProvider _time;
    private readonly int _maximumLines;
    private readonly Func<string, string> _mask;
    private readonly ConcurrentDictionary<AuditedConnection, bool> _open = new();
    private readonly EgressTally _tally = new();
    private readonly Lock _lock = new();
    private int _lines;
    private long _unwritten;
    private bool _disposed;

    /// <param name="stream">Gets whole lines, each in one write.</param>
    /// <param name="currentStep">Asked when a connection begins; null between steps.</param>
    /// <param name="mask">Takes secrets out of what the guest chose: a job may ask for any name. Null when there are none.</param>
    public EgressAudit(
        Stream stream, Func<EgressStep?> currentStep, TimeProvider time, int maximumLines = MaximumLines, Func<string, string>? mask = null) =>
        (_stream, _currentStep, _time, _maximumLines, _mask) = (stream, currentStep, time, maximumLines, mask ?? (static text => text));

    /// <summary>An audit into a new file that only this user may read.</summary>
    public static EgressAudit Create(string path, Func<EgressStep?> currentStep, TimeProvider time, Func<string, string>? mask = null) =>
        new(new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.Create,
            Access = FileAccess.Write,
            Share = FileShare.Read,
            // Each line goes out at once, so that a killed process loses none.
            BufferSize = 0,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }), currentStep, time, mask: mask);

    /// <summary>A connection begins; whoever calls this ends it with <see cref="Finish"/>.</summary>
    public AuditedConnection Begin(string? name, IPAddress address, int port)
    {
        var connection = new AuditedConnection(
            _currentStep(), _time.GetUtcNow(), _time.GetTimestamp(), name is null ? null : _mask(name), address, port);
        _open[connection] = true;
        return connection;
    }

    /// <summary>The connection is over, or never came to be. Only the first call for a connection counts.</summary>
    public void Finish(AuditedConnection connection, EgressVerdict verdict, string reason, long bytesUp = 0, long bytesDown = 0)
    {
        if (!_open.TryRemove(connection, out _)) return;
        _tally.Connection(connection.Name ?? connection.Address.ToString(), connection.Port, verdict, bytesUp, bytesDown);
        Write(new()
        {
            Time = connection.Time,
            Step = connection.Step?.Index,
            StepName = connection.Step?.Name,
            Name = connection.Name,
            Address = connection.Address.ToString(),
            Port = connection.Port,
            Protocol = "tcp",
            Verdict = Text(verdict),
            Reason = reason,
            BytesUp = bytesUp,
            BytesDown = bytesDown,
            Milliseconds = (long)_time.GetElapsedTime(connection.Timestamp).TotalMilliseconds,
        });
    }

    /// <summary>A name that was denied, audited or could not be resolved.</summary>
    public void Name(string name, EgressVerdict verdict, string reason)
    {
        var step = _currentStep();
        name = _mask(name);
        _tally.Name(name, verdict);
        Write(new()
        {
            Time = _time.GetUtcNow(),
            Step = step?.Index,
            StepName = step?.Name,
            Name = name,
            Protocol = "dns",
            Verdict = Text(verdict),
            Reason = reason,
        });
    }

    /// <summary>What is known so far; complete after <see cref="DisposeAsync"/>.</summary>
    public EgressSummary Summarize(int destinations = 10) => _tally.Summarize(destinations, Interlocked.Read(ref _unwritten));

    /// <summary>Writes the connections that are still open as they stand, and closes the stream.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var connection in _open.Keys)
        {
            var (up, down) = connection.Progress?.Invoke() ?? default;
            Finish(connection, EgressVerdict.Allowed, "open when the machine ended", up, down);
        }

        lock (_lock) _disposed = true;
        await _stream.DisposeAsync();
    }

    private void Write(EgressAuditLine line)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(line with { Reason = _mask(line.Reason) }, EgressAuditJson.Default.EgressAuditLine);
        lock (_lock)
        {
            if (_disposed || _lines >= _maximumLines)
            {
                Interlocked.Increment(ref _unwritten);
                return;
            }

            _lines++;
            try
            {
                _stream.Write([.. bytes, (byte)'\n']);
            }
            catch (IOException)
            {
                // A full disk must not end the job's connections; the summary says what is missing.
                Interlocked.Increment(ref _unwritten);
            }
        }
    }

    private static string Text(EgressVerdict verdict) => verdict switch
    {
        EgressVerdict.Allowed => "allowed",
        EgressVerdict.Denied => "denied",
        EgressVerdict.Audited => "audited",
        _ => "failed",
    };
}

/// <summary>A connection between its first packet and its audit line.</summary>
internal sealed class AuditedConnection(
    EgressStep? step, DateTimeOffset time, long timestamp, string? name, IPAddress address, int port)
{
    public EgressStep? Step => step;

    public DateTimeOffset Time => time;

    /// <summary>Of the TimeProvider, for the duration.</summary>
    public long Timestamp => timestamp;

    public string? Name => name;

    public IPAddress Address => address;

    public int Port => port;

    /// <summary>Bytes up and down so far, once there is a socket.</summary>
    public Func<(long Up, long Down)>? Progress { get; set; }
}
