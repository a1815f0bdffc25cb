using RunnerVm.Sources.GitHub.Rest;
using RunnerVm.Sources.GitHub.Runners;

namespace RunnerVm.Sources.GitHub.ScaleSets;

/// <summary>A scale set of this host's own: GitHub counts, gives the jobs and says how they went.</summary>
internal sealed class ScaleSetFeed : IGitHubFeed
{
    private readonly GitHubSourceOptions _source;
    private readonly GitHubRunnerOptions _options;
    private readonly RunnerFleet _fleet;
    private readonly GitHubHost _host;
    private readonly ScaleSetClient _client;
    private ScaleSetListener? _listener;

    public ScaleSetFeed(GitHubSourceOptions source, GitHubRunnerOptions options, GitHubApi api, RunnerFleet fleet, GitHubHost host)
    {
        (_source, _options, _fleet, _host) = (source, options, fleet, host);
        _client = new(api, host.Time);
        Registry = new ScaleSetRegistry(_client, () => _listener?.Set);
    }

    public IRunnerRegistry Registry { get; }

    public IEnumerable<ForgeFigure> Figures => _client.Answers.Figures("scale-set");

    public async Task<string> CheckAsync(CancellationToken cancellationToken)
    {
        var group = await _client.GroupIdAsync(_source.Group, cancellationToken);
        var set = await _client.FindAsync(_options.ScaleSet, group, cancellationToken);
        return set is null ? $"the scale set {_options.ScaleSet} will be made at the first start" : $"the scale set {_options.ScaleSet} is there";
    }

    public Task RunAsync(Func<int> capacity, CancellationToken stop)
    {
        var options = new ScaleSetListenerOptions(_options.ScaleSet, _source.Group, _options.Labels, Environment.MachineName);
        _listener = new(_client, options, _fleet, capacity, _host.Log, _host.Time)
        {
            Left = () => _host.Journal.Session(_options.Name),
            Opened = session => _host.Journal.WriteSession(_options.Name, session),
            Started = queued => _host.JobStarted(_options.Name, queued),
            Closed = () => _host.Journal.RemoveSession(_options.Name),
        };
        return _listener.RunAsync(stop);
    }

    public void Dispose() => _client.Dispose();
}
