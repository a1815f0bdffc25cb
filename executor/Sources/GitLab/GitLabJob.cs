using Microsoft.Data.Sqlite;
using RunnerVm.Guests;
using RunnerVm.Jobs;
using RunnerVm.Sources.GitLab.Payload;
using RunnerVm.Sources.GitLab.Traces;
using RunnerVm.Sources.GitLab.Wire;

namespace RunnerVm.Sources.GitLab;

/// <summary>
/// One job on its way from GitLab and back: kept for us while its machine starts, its log sent while it runs, its end
/// reported. All of it is in the journal, so that another process can finish it.
/// </summary>
/// <param name="problem">Why it is not to be run at all; null when it is.</param>
internal sealed class GitLabJob(
    string id, JobResponse payload, MachineClass machine, GitLabOutcome.Failed? problem, GitLabRunnerOptions runner, GitLabHost host, JobConnection server)
    : IForgeJob
{
    private static readonly TimeSpan InterruptedReport = TimeSpan.FromSeconds(30);

    /// <summary>A year; beyond it a server's word is no time.</summary>
    private const double MostQueuedSeconds = 365 * 86400;

    private readonly GitLabStop _stop = new();
    private readonly CancellationTokenSource _interrupted = new();
    private readonly long _taken = host.Time.GetTimestamp();

    public string Name => $"{runner.Name} job {payload.Id}";

    public MachineSize Size => MachineSize.Of(machine.Request);

    public void Interrupt()
    {
        _stop.Abort(GitLabStopReason.Interrupted);
        _interrupted.CancelAfter(InterruptedReport);
    }

    public void Dispose()
    {
        _interrupted.Dispose();
        _stop.Dispose();
    }

    public async Task RunAsync(CancellationToken reporting)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(reporting, _interrupted.Token);
        using var file = TraceFile.Create(Path.Join(host.Traces, $"{id}.log"));
        var entry = new JournalEntry(id, payload, runner, file.Path, host.Journal, host.Log);
        var trace = new JobTrace(file, TraceOptionsFor(payload, runner), host.Time);
        var upload = new TraceUpload(server, file, _stop, host.Time) { OnSent = entry.Sent, DebugTrace = entry.DebugTrace };
        var commit = new TwoPhaseCommit(server, upload, host.Time) { OnRunsAlready = entry.Committed };
        var outcome = await BeginAsync(entry, trace) ?? await RunJobAsync(trace, upload, commit, entry);
        if (IsToBeReturned(outcome, _stop.Reason, commit))
        {
            host.Log.Warning("{Job} goes back to the queue: {Why}", Name, GitLabEnding.Describe(outcome, _stop.Reason));
        }
        else if (!upload.Disowned && !commit.IsLost && (commit.IsCommitted || await commit.CommitAsync(ending.Token)))
        {
            var final = GitLabEnding.Of(outcome, _stop.Reason, payload.Features.FailureReasons);
            await WriteEndAsync(trace, outcome);
            entry.Ended(final);
            if (await ReportAsync(final, file, upload, ending.Token) is { } why)
            {
                host.Log.Error("{Job} ended ({State}), but GitLab could not be told: {Why}. The next start of the agent tries again", Name, final.State, why);
                return;
            }
        }

        LogEnd(outcome, trace, wanted: !upload.Disowned && !commit.IsLost);
        // In this order: a row is small, and where the disk is full the log makes room for its end.
        File.Delete(file.Path);
        entry.Remove();
    }

    /// <returns>Null; or why not, where this host cannot even write down that it has the job.</returns>
    private async Task<GitLabOutcome?> BeginAsync(JournalEntry entry, JobTrace trace)
    {
        try
        {
            entry.Write();
            await TraceHeader.WriteAsync(trace, runner, host.SystemId);
            return null;
        }
        catch (Exception e) when (e is IOException or SqliteException)
        {
            return new GitLabOutcome.NotStarted($"the host could not write down that it has this job: {e.Message}");
        }
    }

    private async Task WriteEndAsync(JobTrace trace, GitLabOutcome outcome)
    {
        try
        {
            await GitLabEnding.WriteAsync(trace, outcome, _stop.Reason);
            trace.Close();
        }
        catch (IOException)
        {
            // The disk is full just now; from here on the log is kept in memory.
            await GitLabEnding.WriteAsync(trace, outcome, _stop.Reason);
            trace.Close();
        }
    }

    private async Task<GitLabOutcome> RunJobAsync(JobTrace trace, TraceUpload upload, TwoPhaseCommit commit, JournalEntry entry)
    {
        using var begun = new CancellationTokenSource();
        using var ended = new CancellationTokenSource();
        var keeping = commit.KeepAsync(begun.Token);
        var sending = Task.CompletedTask;
        var lent = host.Lend();
        try
        {
            return problem ?? await host.Run(new()
            {
                JobId = id,
                Payload = payload,
                Trace = trace,
                Stop = _stop,
                Server = server,
                Host = lent,
                Machine = machine,
                Runner = new(runner.Name, runner.ShortToken, host.SystemId, runner.Server.Url, server.CaCertificates),
                GetSourcesTimeout = runner.GetSourcesTimeout,
                MachineReadyAsync = BeginAsync,
            });
        }
        catch (IOException e)
        {
            // Such as a full disk, which the log of the job itself met outside its machine's run.
            return new GitLabOutcome.Failed(GitLabFailureReason.RunnerSystemFailure, $"the host could not go on with this job: {e.Message}");
        }
        catch (Exception e)
        {
            // Whatever it was: GitLab is told, or the job would seem to run until its time is over.
            host.Log.Error(e, "{Job}: an error of the agent's own, please report it", Name);
            return new GitLabOutcome.Failed(GitLabFailureReason.RunnerSystemFailure, "the runner met an error of its own; its operator finds it in the agent's log");
        }
        finally
        {
            await begun.CancelAsync();
            await ended.CancelAsync();
            await keeping;
            await sending;
            if (commit.IsCommitted) host.MachineUsed(lent, machine);
        }

        async Task<bool> BeginAsync()
        {
            await begun.CancelAsync();
            await keeping;
            if (!await commit.CommitAsync(_stop.Aborted)) return false;
            entry.Committed();
            host.JobStarted(runner.Name, TimeSpan.FromSeconds(Math.Clamp(payload.JobInfo.TimeInQueueSeconds, 0, MostQueuedSeconds)) + host.Time.GetElapsedTime(_taken));
            sending = upload.RunAsync(trace.FirstOutputTask, ended.Token);
            return true;
        }
    }

    /// <summary>Nothing of the job has run, and GitLab gives it to somebody else once we no longer keep it.</summary>
    private static bool IsToBeReturned(GitLabOutcome outcome, GitLabStopReason stop, TwoPhaseCommit commit) =>
        commit is { IsCommitted: false, CanReturn: true, IsLost: false }
        && (outcome is GitLabOutcome.NotStarted || (outcome is GitLabOutcome.Cancelled && stop != GitLabStopReason.Canceled));

    private async Task<string?> ReportAsync(FinalState final, TraceFile file, TraceUpload upload, CancellationToken cancellationToken)
    {
        try
        {
            return await new FinalReport(server, file, upload, host.Time).SendAsync(final, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            return "there was no more time";
        }
    }

    private void LogEnd(GitLabOutcome outcome, JobTrace trace, bool wanted)
    {
        var elapsed = host.Time.GetElapsedTime(_taken).TotalSeconds;
        var first = trace.FirstOutput is { } at ? host.Time.GetElapsedTime(_taken, at).TotalSeconds : (double?)null;
        var said = wanted ? GitLabEnding.Describe(outcome, _stop.Reason) : "GitLab wanted nothing more of it";
        host.Log.Information("{Job} ended after {Seconds:0.00} s, first line after {First:0.00} s: {Outcome}", Name, elapsed, first, said);
        host.JobEnded(new(id, runner.Name, $"{payload.Id} {UntrustedText.Line(payload.JobInfo.Name)}", wanted ? GitLabEnding.Result(outcome, _stop.Reason) : JobResult.Cancelled, said));
    }

    private static TraceOptions TraceOptionsFor(JobResponse payload, GitLabRunnerOptions runner) => new()
    {
        LimitBytes = runner.LogLimitBytes,
        Timestamps = JournalEntry.Timestamps(payload),
        Sections = payload.Features.TraceSections,
        Hidden = [payload.Token, .. payload.Variables.Where(static v => v.Masked).Select(static v => v.Value), .. payload.Dependencies.Select(static d => d.Token)],
        TokenPrefixes = payload.Features.TokenMaskPrefixes,
    };
}
