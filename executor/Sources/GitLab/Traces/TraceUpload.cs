using System.Net;
using RunnerVm.Sources.GitLab.Wire;

namespace RunnerVm.Sources.GitLab.Traces;

/// <summary>
/// Brings a job's log to GitLab piece by piece, as often as GitLab wants it, and hears on the way back that the job is
/// to stop. What could not be sent stays in the file and is tried at the next turn. One caller at a time.
/// </summary>
internal sealed class TraceUpload(JobConnection server, TraceFile file, GitLabStop stop, TimeProvider time)
{
    private const int PieceBytes = 1 << 20;

    /// <summary>Wrong offsets in a row after which a flush gives up: a server that agrees to none would be asked for ever.</summary>
    private const int MostCorrections = 5;

    private static readonly TimeSpan FirstInterval = TimeSpan.FromSeconds(3);

    /// <summary>A job that says nothing hears of nothing: after that long it shows that it lives.</summary>
    private static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(30);

    private readonly byte[] _piece = new byte[PieceBytes];
    private TimeSpan _interval = FirstInterval;
    private long? _lastSuccess;

    /// <summary>Bytes GitLab has, as far as is known.</summary>
    public long SentBytes { get; set; }

    /// <summary>Called when <see cref="SentBytes"/> has changed.</summary>
    public Action<long> OnSent { get; init; } = static _ => { };

    /// <summary>Whether others than the project's members of a certain rank may read the log.</summary>
    public bool DebugTrace { get; init; }

    /// <summary>GitLab said that it wants nothing more of this job.</summary>
    public bool Disowned { get; private set; }

    /// <summary>Sends until <paramref name="ended"/>.</summary>
    /// <param name="firstOutput">Completes with the job's first line, which somebody waits for: it is sent at once.</param>
    public async Task RunAsync(Task firstOutput, CancellationToken ended)
    {
        try
        {
            await Task.WhenAny(firstOutput, Task.Delay(_interval, time, ended));
            while (!ended.IsCancellationRequested && !Disowned)
            {
                if (await TrySendAllAsync(ended) == TraceProgress.Done && IsSilent()) await TouchAsync(ended);
                await Task.Delay(_interval, time, ended);
            }
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            // What was under way is sent again by the flush; GitLab says by 416 where it stands.
        }
    }

    /// <summary>Back to the pace of the beginning: the end is near, and what the server said was for watching.</summary>
    public void ResetInterval() => _interval = FirstInterval;

    /// <summary>Waits as long as GitLab wants to be left alone.</summary>
    public Task WaitIntervalAsync(CancellationToken cancellationToken) => Task.Delay(_interval, time, cancellationToken);

    /// <summary>Sends all there is.</summary>
    public async Task<TraceProgress> TrySendAllAsync(CancellationToken cancellationToken)
    {
        for (var corrections = 0; SentBytes < file.Length;)
        {
            var count = file.Read(SentBytes, _piece);
            var reply = await server.AppendTraceAsync(SentBytes, _piece.AsMemory(0, count), DebugTrace, cancellationToken);
            if (Hear(reply)) return TraceProgress.Disowned;
            switch (reply.Status)
            {
                case HttpStatusCode.Accepted:
                    MoveTo(SentBytes + count);
                    break;
                case HttpStatusCode.RequestedRangeNotSatisfiable when corrections++ < MostCorrections:
                    MoveTo(Math.Min(reply.StoredBytes, file.Length));
                    break;
                case HttpStatusCode.NotFound:
                    return TraceProgress.NotFound;
                default:
                    return TraceProgress.Failed;
            }
        }

        return TraceProgress.Done;
    }

    /// <summary>Takes what every answer may say beside its status.</summary>
    /// <returns>True when GitLab wants nothing more of this job.</returns>
    public bool Hear(JobReply reply)
    {
        if (reply.UpdateInterval is { } interval) _interval = interval;
        if (reply.Aborts)
        {
            Disowned = true;
            stop.Abort(reply.JobStatus == "canceled" ? GitLabStopReason.Canceled : GitLabStopReason.Disowned);
            return true;
        }

        if (reply.Cancels) stop.Cancel();
        if (reply.Status is HttpStatusCode.Accepted or HttpStatusCode.OK) _lastSuccess = time.GetTimestamp();
        return false;
    }

    private bool IsSilent() => _lastSuccess is not { } last || time.GetElapsedTime(last) > LongestSilence;

    private async Task TouchAsync(CancellationToken cancellationToken)
    {
        var reply = await server.UpdateAsync("running", cancellationToken);
        if (Hear(reply) || reply.Status != HttpStatusCode.NotFound) return;
        // Erased, with its project perhaps: nobody waits for its end.
        Disowned = true;
        stop.Abort(GitLabStopReason.Disowned);
    }

    private void MoveTo(long offset)
    {
        SentBytes = offset;
        OnSent(offset);
    }
}

/// <summary>How far a log has come.</summary>
internal enum TraceProgress
{
    /// <summary>GitLab has all of it.</summary>
    Done,

    /// <summary>Try again later.</summary>
    Failed,

    /// <summary>GitLab does not know the job's log (yet, or any more).</summary>
    NotFound,

    /// <summary>GitLab wants nothing more of this job.</summary>
    Disowned,
}
