using System.Globalization;
using RunnerVm.Guests;
using RunnerVm.Jobs;
using RunnerVm.Logs;
using RunnerVm.Sources.GitHub.Hooks;
using RunnerVm.Sources.GitHub.Rest;
using RunnerVm.Sources.GitHub.Runners;

namespace RunnerVm.Sources.GitHub;

/// <summary>
/// One runner on its way: entered in the journal, its machine started, registered while that boots, and nothing left of it
/// at GitHub or here when it is over. Owns the runner it was made for.
/// </summary>
/// <param name="ended">Told how it went, after all is cleared up.</param>
internal sealed class GitHubRunnerJob(
    string id, FleetRunner runner, RunnerRegistration registration, RunnerSoftware software, GitHubRunnerOptions options, GitHubHost host, DeathNotices notices,
    Action<RunnerReport> ended) : IForgeJob
{
    /// <summary>Asked to stop while it works, the official runner cancels its job and tells GitHub so; that takes it some seconds.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan RemovalLimit = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan NoticeLimit = TimeSpan.FromSeconds(15);

    private readonly StopRequest _stop = new(host.Time, Grace);
    private readonly long _begun = host.Time.GetTimestamp();

    public string Name => $"{options.Name} runner {runner.Name}";

    public MachineSize Size => MachineSize.Of(options.Machine.Request);

    public void Interrupt() => _stop.Ask();

    public void Dispose()
    {
        runner.Dispose();
        _stop.Dispose();
    }

    public async Task RunAsync(CancellationToken reporting)
    {
        // Before anything of it exists at GitHub: whatever happens to this process, the next one knows of it.
        host.Journal.WriteRunner(id, options.Name, runner.Name);
        var lent = host.Lend();
        var job = JobOf(software.Disk);
        using var file = FileSink.Create(Path.Join(lent.Data.Logs, $"{id}.log"));
        var report = await RunMachineAsync(lent, job, file);
        // Before GitHub is asked: whoever waits for a runner need not wait for that.
        runner.Enter(RunnerState.Ended);
        if (await TryRemoveAsync(reporting)) host.Journal.RemoveRunner(id);
        file.Write(host.Time.GetUtcNow(), report.ToString());
        Log(report);
        if (report.Ending is not null) host.MachineUsed(lent, job);
        ended(report);
        await TellAsync(report, reporting);
    }

    /// <summary>After all else: nobody waits for these words but people.</summary>
    private async Task TellAsync(RunnerReport report, CancellationToken reporting)
    {
        if (report.Result is { } result) host.JobEnded(new(id, options.Name, runner.Job?.ToString() ?? runner.JobName ?? runner.Name, result, report.ToString()));
        if (report.Death is not { } sentence || runner.Confirmed is not { } facts) return;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(reporting);
        limit.CancelAfter(NoticeLimit);
        await notices.TellAsync(facts, sentence, limit.Token);
    }

    private async Task<RunnerReport> RunMachineAsync(JobHost lent, Job job, FileSink file)
    {
        await using var log = new JobLog(new RunnerSink(file, runner, registration), new SecretMasker([]), host.Time);
        await using var watch = new RunnerWatch(runner, registration, options, _stop, host.Time);
        var work = new GitHubRunnerWork(runner, registration, watch, job, software.Disk, log, _stop, host.Time)
        {
            Entitled = Entitle, DiagnosticsPath = Path.Join(lent.Data.Logs, $"{id}.diagnostics.txt"),
        };
        var run = new JobRun(job, work, lent, log, _stop);
        var outcome = await run.RunAsync();
        return new(runner, outcome, watch.Ending ?? work.Ending, run.Denied);
    }

    private Job JobOf(JobDisk disk) => new()
    {
        Id = id,
        Name = options.Name,
        Image = options.Machine.Image,
        Machine = options.Machine.Request,
        Network = options.Machine.Network,
        Disks = [disk],
        ErrandCommand = HookScripts.Command,
        Timeout = options.Lifetime,
        Steps = [],
    };

    private void Entitle(string title)
    {
        host.Journal.WriteRunner(id, options.Name, runner.Name, title);
        host.Log.Information("{Job} runs {Title}", Name, title);
    }

    /// <returns>False: GitHub still has it, or cannot be asked; it stays in the journal and is looked at again.</returns>
    private async Task<bool> TryRemoveAsync(CancellationToken reporting)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(reporting);
        limit.CancelAfter(RemovalLimit);
        try
        {
            return await registration.RemoveAsync(limit.Token) != RunnerRemoval.StillBusy;
        }
        catch (Exception e) when (e is GitHubException or UserException or OperationCanceledException)
        {
            host.Log.Warning("{Job}: its registration could not be removed yet: {Why}", Name, e.Message);
            return false;
        }
    }

    private void Log(RunnerReport report)
    {
        var seconds = host.Time.GetElapsedTime(_begun).TotalSeconds.ToString("0.00", CultureInfo.InvariantCulture);
        if (report.IsOurFailure) host.Log.Error("{Job} ended after {Seconds} s: {Report}", Name, seconds, report);
        else host.Log.Information("{Job} ended after {Seconds} s: {Report}", Name, seconds, report);
    }
}
