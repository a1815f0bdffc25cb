using RunnerVm.Jobs;
using RunnerVm.Sources.GitHub.Polling;
using RunnerVm.Sources.GitHub.Rest;
using RunnerVm.Sources.GitHub.Runners;
using RunnerVm.Sources.GitHub.ScaleSets;

namespace RunnerVm.Sources.GitHub;

/// <summary>
/// One kind of runner of one GitHub: hears how many are wanted, and makes each wish something the agent can run. A job is not
/// handed over here: GitHub gives it to the runner in its machine.
/// </summary>
internal sealed class GitHubForge : IForge
{
    private readonly GitHubRunnerOptions _options;
    private readonly string _source;
    private readonly GitHubHost _host;
    private readonly GitHubApi _api;
    private readonly RunnerFleet _fleet;
    private readonly IRunnerRegistry _registry;
    private readonly IGitHubFeed _feed;
    private readonly LeftRunners _left;
    private readonly StartBrake _brake;
    private readonly DeathNotices _notices;
    private volatile bool _succeeded;

    /// <param name="api">Of the source; owned by whoever made it.</param>
    /// <param name="notices">Of the source, too.</param>
    public GitHubForge(GitHubSourceOptions source, GitHubRunnerOptions options, GitHubApi api, DeathNotices notices, GitHubHost host)
    {
        (_options, _source, _host, _api) = (options, source.Name, host, api);
        _fleet = new(RunnerNames.Prefix(Environment.MachineName), host.Time);
        _feed = source.Mode == GitHubMode.ScaleSet ? new ScaleSetFeed(source, options, api, _fleet, host) : new PollingFeed(source, options, api, _fleet, host);
        _registry = _feed.Registry;
        _left = new(options.Name, host.Journal, _registry, _fleet, host.Log, host.Time);
        _brake = new(options.Name, host);
        _notices = notices;
    }

    public string Name => _options.Name;

    public string Fingerprint => _options.Fingerprint;

    public MachineSize Largest => MachineSize.Of(_options.Machine.Request);

    public int? Limit => _options.Limit;

    /// <summary>Waiting is done before asking.</summary>
    public TimeSpan Interval => TimeSpan.Zero;

    public IEnumerable<ForgeFigure> Figures =>
    [
        new("runnervm_github_runners", "Runners of this kind on this host.", "state=\"live\"", _fleet.Live),
        new("runnervm_github_runners", "Runners of this kind on this host.", "state=\"busy\"", _fleet.Busy),
        new("runnervm_github_runner_days_left", "Until GitHub probably hands no more jobs to the version that is here.", "", _host.Software()?.DaysLeft ?? 0),
        .. _api.Limit.Remaining is { } left
            ? [new ForgeFigure("runnervm_github_rate_limit_remaining", "Requests to the REST API left in this hour.", "", left) { Of = _source }]
            : (ForgeFigure[])[],
        .. _api.Limit.Answers.Figures("rest", _source),
        .. _feed.Figures,
    ];

    public async Task<ForgeCheck> CheckAsync(CancellationToken cancellationToken)
    {
        try
        {
            var said = await _feed.CheckAsync(cancellationToken);
            return _brake.Refusal is { } refusal ? new(false, $"{said}; but {refusal}") : new(true, $"{said}; {_brake.Software}");
        }
        catch (Exception e) when (e is GitHubException or ServiceException or UserException)
        {
            return new(false, e.Message);
        }
    }

    public Task FinishInterruptedAsync(CancellationToken cancellationToken) => _left.SweepAsync(cancellationToken);

    public async Task WaitForWorkAsync(CancellationToken cancellationToken)
    {
        do await _fleet.WaitAsync(cancellationToken);
        while (await _brake.HoldAsync(cancellationToken));
    }

    public async Task ListenAsync(Func<int> room, CancellationToken stop)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(stop);
        Task[] parts = [_feed.RunAsync(() => Capacity(room), end.Token), _left.RunAsync(end.Token)];
        // Before a stop one of them ends by an error only, which is not kept waiting for that stop.
        await Task.WhenAny(parts);
        await end.CancelAsync();
        await Task.WhenAll(parts);
        // Those that listen have nobody to wait for; those at work go on.
        if (!_succeeded) _fleet.Want(0);
    }

    /// <summary>The fleet goes on: GitHub counts the jobs of its runners, whichever of us began them.</summary>
    public void Succeed(IForge before)
    {
        if (before is not GitHubForge forge) return;
        forge._succeeded = true;
        _fleet.Adopt(forge._fleet);
    }

    public Task<ForgeAnswer> AskAsync(CancellationToken cancellationToken)
    {
        if (_host.Software() is not { } software || _fleet.TryBegin() is not { } runner) return Task.FromResult<ForgeAnswer>(new ForgeAnswer.Nothing());
        var job = new GitHubRunnerJob(RunnerNames.JobId(runner.Name), runner, new RunnerRegistration(_registry, runner.Name), software, _options, _host, _notices, _brake.Learn);
        return Task.FromResult<ForgeAnswer>(new ForgeAnswer.Job(job));
    }

    public void Dispose() => _feed.Dispose();

    /// <summary>How many runners there could be now. Where none can be started, jobs are left to other hosts.</summary>
    private int Capacity(Func<int> room)
    {
        var all = _fleet.Live + (_brake.IsOn() ? 0 : room());
        return _options.Limit is { } limit ? Math.Min(all, limit) : all;
    }
}
