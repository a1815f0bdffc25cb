using System.Net;
using RunnerVm.Sources.GitLab.Traces;
using RunnerVm.Sources.GitLab.Wire;

namespace RunnerVm.Sources.GitLab;

/// <summary>The end of a job as GitLab gets it: the whole log first, then the state, until both are accepted.</summary>
internal sealed class FinalReport(JobConnection server, TraceFile file, TraceUpload upload, TimeProvider time)
{
    private const int Tries = 10;

    /// <summary>Logs a server may reject before its judgement is believed.</summary>
    private const int MostResets = 3;

    /// <summary>Tries after which a server that knows no log of this job is told its end without one.</summary>
    private const int TriesForUnknownLog = 3;

    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(60);

    /// <summary>The server gives up waiting for its own storage after five minutes.</summary>
    private static readonly TimeSpan LongestAcceptance = TimeSpan.FromMinutes(10);

    private int _resets;

    /// <returns>Null when GitLab has it, or wants nothing of it; else why it could not be told.</returns>
    public async Task<string?> SendAsync(FinalState final, CancellationToken cancellationToken)
    {
        upload.ResetInterval();
        var started = time.GetTimestamp();
        var problem = "no answer";
        for (var attempt = 0; attempt < Tries;)
        {
            var progress = await upload.TrySendAllAsync(cancellationToken);
            if (progress == TraceProgress.Disowned) return null;
            if (progress == TraceProgress.Failed || (progress == TraceProgress.NotFound && attempt < TriesForUnknownLog))
            {
                problem = "the log could not be sent";
                await Task.Delay(Pause(attempt++), time, cancellationToken);
                continue;
            }

            var reply = await server.FinishAsync(final, file.Checksum, file.Length, cancellationToken);
            if (IsOver(reply)) return null;
            if (reply.Status == HttpStatusCode.Accepted && time.GetElapsedTime(started) < LongestAcceptance)
            {
                upload.Hear(reply);
                await upload.WaitIntervalAsync(cancellationToken);
            }
            else if (reply.Status == HttpStatusCode.PreconditionFailed && _resets++ < MostResets)
            {
                upload.SentBytes = 0;
            }
            else
            {
                problem = reply.Said ?? $"status {(int?)reply.Status}";
                await Task.Delay(Pause(attempt++), time, cancellationToken);
            }
        }

        return problem;
    }

    /// <summary>That the job is "failed" or "canceled" by now is what was asked for, or what somebody else decided.</summary>
    private static bool IsOver(JobReply reply) => reply.Status is HttpStatusCode.OK or HttpStatusCode.NotFound || reply.Aborts;

    private static TimeSpan Pause(int attempt)
    {
        var pause = TimeSpan.FromSeconds(Math.Pow(2, attempt));
        return pause < LongestPause ? pause : LongestPause;
    }
}
