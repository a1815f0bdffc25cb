using System.Net;
using RunnerVm.Sources.GitLab.Traces;
using RunnerVm.Sources.GitLab.Wire;

namespace RunnerVm.Sources.GitLab;

/// <summary>
/// Between getting a job and beginning it: the job stays GitLab's, kept for us by a word every half minute, until its
/// machine answers. Without a word GitLab takes it back after two minutes and gives it to somebody else.
/// </summary>
internal sealed class TwoPhaseCommit(JobConnection server, TraceUpload upload, TimeProvider time)
{
    private const int CommitTries = 5;

    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(30);

    /// <summary>False once the server has said that for it the job runs already.</summary>
    public bool CanReturn { get; private set; } = true;

    /// <summary>Called when <see cref="CanReturn"/> has become false: whoever finishes the job after us must not leave it to the queue.</summary>
    public Action OnRunsAlready { get; init; } = static () => { };

    /// <summary>GitLab knows that the job runs, and takes its log.</summary>
    public bool IsCommitted { get; private set; }

    /// <summary>GitLab has given the job to somebody else, or has it no more: nothing of it is ours to report.</summary>
    public bool IsLost { get; private set; }

    /// <summary>Keeps the job until <paramref name="ended"/>.</summary>
    public async Task KeepAsync(CancellationToken ended)
    {
        try
        {
            while (!IsLost)
            {
                var reply = await server.UpdateAsync("pending", ended);
                if (IsTaken(reply)) return;
                // An older server: for it the job runs since it was handed over.
                if (reply.Status is HttpStatusCode.BadRequest)
                {
                    CanReturn = false;
                    OnRunsAlready();
                    return;
                }

                await Task.Delay(KeepAlive, time, ended);
            }
        }
        catch (OperationCanceledException) when (ended.IsCancellationRequested)
        {
            // It runs, or is given back.
        }
    }

    /// <summary>Says that the job runs.</summary>
    /// <returns>False when GitLab no longer wants it from us.</returns>
    public async Task<bool> CommitAsync(CancellationToken cancellationToken)
    {
        for (var attempt = 0; attempt < CommitTries; attempt++)
        {
            var reply = await server.UpdateAsync("running", cancellationToken);
            if (IsTaken(reply) || reply.Status is HttpStatusCode.Conflict)
            {
                IsLost = true;
                return false;
            }

            if (reply.Status is HttpStatusCode.OK or HttpStatusCode.Accepted or HttpStatusCode.BadRequest)
            {
                IsCommitted = true;
                return true;
            }

            await Task.Delay(TimeSpan.FromSeconds(1 << attempt), time, cancellationToken);
        }

        return false;
    }

    private bool IsTaken(JobReply reply)
    {
        if (upload.Hear(reply) || reply.Status is HttpStatusCode.NotFound) IsLost = true;
        return IsLost;
    }
}
