using RunnerVm.Sources.GitLab.Traces;
using RunnerVm.Sources.GitLab.Wire;

namespace RunnerVm.Sources.GitLab;

/// <summary>
/// Jobs of this runner that an agent before us was killed over: what GitLab lacks of their logs is sent, then how they
/// ended. Their machines died with that agent.
/// </summary>
internal sealed class InterruptedJobs(GitLabRunnerOptions runner, GitLabHost host, GitLabHttp http)
{
    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        var left = host.Journal.Read().Where(job => job.Record.Url == runner.Server.Url && job.Record.Runner == runner.Name);
        await Task.WhenAll(left.Select(job => FinishOneAsync(job.JobId, job.Record, cancellationToken)));
    }

    private async Task FinishOneAsync(string jobId, GitLabJournalRecord record, CancellationToken cancellationToken)
    {
        if (!record.Committed)
        {
            host.Log.Warning("Job {Job} had not begun when the agent was killed; GitLab gives it to a runner again", record);
            Forget(jobId, record);
            return;
        }

        using var file = Open(record);
        if (record.Final is null) await WriteEndAsync(file, record);
        var final = record.Final ?? GitLabEnding.Of(GitLabEnding.AgentKilled, GitLabStopReason.None, []);
        host.Journal.Write(jobId, record with { Final = final });

        var server = new JobConnection(http, record.GitLabJobId, record.JobToken);
        using var stop = new GitLabStop();
        var upload = new TraceUpload(server, file, stop, host.Time) { SentBytes = Math.Min(record.SentBytes, file.Length), DebugTrace = record.DebugTrace };
        if (await new FinalReport(server, file, upload, host.Time).SendAsync(final, cancellationToken) is { } why)
        {
            host.Log.Error("GitLab could not be told the end of {Job}: {Why}. The next start of the agent tries again", record, why);
            return;
        }

        host.Log.Warning("Finished {Job}, left in the middle by an agent that was killed: {State}", record, final.State);
        Forget(jobId, record);
    }

    /// <summary>Where the log itself is gone GitLab still is told how the job ended.</summary>
    private static TraceFile Open(GitLabJournalRecord record)
    {
        try
        {
            return TraceFile.Continue(record.TracePath);
        }
        catch (FileNotFoundException)
        {
            return TraceFile.Create(record.TracePath);
        }
    }

    private async Task WriteEndAsync(TraceFile file, GitLabJournalRecord record)
    {
        // The last line may have been cut in the middle; its rest is not to swallow ours.
        if (file.Length > 0) file.Append("\n"u8);
        var trace = new JobTrace(file, new() { LimitBytes = long.MaxValue, Timestamps = record.Timestamps }, host.Time);
        await GitLabEnding.WriteAsync(trace, GitLabEnding.AgentKilled, GitLabStopReason.None);
        trace.Close();
    }

    private void Forget(string jobId, GitLabJournalRecord record)
    {
        host.Journal.Remove(jobId);
        File.Delete(record.TracePath);
    }
}
