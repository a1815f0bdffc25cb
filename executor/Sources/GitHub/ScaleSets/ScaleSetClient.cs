using RunnerVm.Sources.GitHub.Rest;

namespace RunnerVm.Sources.GitHub.ScaleSets;

/// <summary>What can be asked of the scale set service by an admin: sets, registrations of runners, sessions.</summary>
internal sealed class ScaleSetClient : IDisposable
{
    private const string Sets = "_apis/runtime/runnerscalesets";
    private const string Agents = "_apis/distributedtask/pools/0/agents";

    private readonly ServiceExchange _exchange;
    private readonly AdminConnection _admin;

    public ScaleSetClient(GitHubApi api, TimeProvider time, HttpMessageHandler? handler = null)
    {
        _exchange = new(time, handler);
        _admin = new(api, _exchange, time);
    }

    public AnswerTally Answers => _exchange.Answers;

    /// <summary>The set of this name with these labels: adopted where it is there, made where it is not.</summary>
    /// <param name="group">Name of the runner group; null or "default" is the default one.</param>
    public async Task<ScaleSet> AdoptAsync(string name, string? group, IReadOnlyList<string> labels, CancellationToken cancellationToken)
    {
        var groupId = await GroupIdAsync(group, cancellationToken);
        var wanted = new ScaleSet
        {
            Name = name, RunnerGroupId = groupId, Labels = [.. labels.Select(static l => new ScaleSetLabel(l))], RunnerSetting = new(DisableUpdate: true),
        };
        var found = await FindAsync(name, groupId, cancellationToken);
        var set = found is null ? await CreateAsync(wanted, cancellationToken)
            : Matches(found, wanted) ? found
            : await UpdateAsync(found.Id, wanted, cancellationToken);
        _exchange.ScaleSetId = set.Id;
        return set;
    }

    public async Task<ScaleSet?> FindAsync(string name, long groupId, CancellationToken cancellationToken)
    {
        var path = $"{Sets}?runnerGroupId={groupId}&name={Uri.EscapeDataString(name)}";
        var list = await _admin.SendAsync($"look for the scale set {name}", HttpMethod.Get, path, null, ScaleSetJson.Default.ScaleSetList, cancellationToken);
        return list is { Count: > 1 }
            ? throw new GitHubException(GitHubFault.Conflict, $"There are {list.Count} scale sets named {name}; remove all but one, or choose another name.")
            : list?.Value is [var found, ..] ? found : null;
    }

    public Task DeleteAsync(int id, CancellationToken cancellationToken) =>
        _admin.SendAsync($"remove the scale set {id}", HttpMethod.Delete, $"{Sets}/{id}", null, ScaleSetJson.Default.ScaleSet, cancellationToken);

    /// <summary>Registers a runner of the set for one job.</summary>
    /// <exception cref="ServiceException"><see cref="ServiceException.RunnerExists"/>, <see cref="ServiceException.ScaleSetIsGone"/>.</exception>
    public async Task<JitConfiguration> CreateJitRunnerAsync(int setId, string name, CancellationToken cancellationToken)
    {
        var content = ServiceExchange.Json(new(name, "_work"), ScaleSetJson.Default.JitName);
        var answer = await _admin.SendAsync($"register the runner {name}", HttpMethod.Post, $"{Sets}/{setId}/generatejitconfig", content, ScaleSetJson.Default.ScaleSetJit, cancellationToken);
        return answer is { Runner: { Id: > 0 } runner, EncodedJitConfig: { Length: > 0 } encoded }
            ? new(runner.Id, runner.Name ?? name, encoded)
            : throw new GitHubException(GitHubFault.Garbled, $"Cannot register the runner {name}: the service answered without a configuration for it.");
    }

    /// <summary>Removes a registration; one that works stays until its job is over.</summary>
    public async Task<RunnerRemoval> DeleteRunnerAsync(long id, CancellationToken cancellationToken)
    {
        try
        {
            await _admin.SendAsync($"remove the runner {id}", HttpMethod.Delete, $"{Agents}/{id}", null, ScaleSetJson.Default.ScaleSetAgent, cancellationToken);
            return RunnerRemoval.Removed;
        }
        catch (ServiceException e) when (e.RunnerIsGone)
        {
            return RunnerRemoval.WasGone;
        }
        catch (ServiceException e) when (e.RunnerIsBusy)
        {
            return RunnerRemoval.StillBusy;
        }
    }

    /// <summary>The registration of a runner by its name, for sweeping what a crash left.</summary>
    public async Task<ScaleSetAgent?> FindRunnerAsync(string name, CancellationToken cancellationToken)
    {
        var path = $"{Agents}?agentName={Uri.EscapeDataString(name)}";
        var list = await _admin.SendAsync($"look for the runner {name}", HttpMethod.Get, path, null, ScaleSetJson.Default.AgentList, cancellationToken);
        return list?.Value is [var found, ..] ? found : null;
    }

    /// <summary>Begins to listen to a set. One may at a time.</summary>
    /// <exception cref="ServiceException"><see cref="ServiceException.SessionIsTaken"/>, <see cref="ServiceException.ScaleSetIsGone"/>.</exception>
    public async Task<MessageSession> OpenSessionAsync(int setId, string owner, CancellationToken cancellationToken)
    {
        var content = ServiceExchange.Json(new(owner), ScaleSetJson.Default.SessionOwner);
        var session = await _admin.SendAsync(
            $"open a session of the scale set {setId}", HttpMethod.Post, $"{Sets}/{setId}/sessions", content, ScaleSetJson.Default.ScaleSetSession, cancellationToken);
        return new(_admin, _exchange, $"{Sets}/{setId}", session ?? throw new GitHubException(GitHubFault.Garbled, "Cannot open a session: the service answered with nothing."));
    }

    /// <summary>Ends a session somebody left open; one that is over already is fine.</summary>
    public async Task CloseSessionAsync(int setId, string session, CancellationToken cancellationToken)
    {
        try
        {
            await _admin.SendAsync("close a session that was left open", HttpMethod.Delete, $"{Sets}/{setId}/sessions/{session}", null, ScaleSetJson.Default.ScaleSetSession, cancellationToken);
        }
        catch (ServiceException e) when (e.Status == System.Net.HttpStatusCode.NotFound)
        {
            // Time ended it, or the set is another one.
        }
    }

    public void Dispose()
    {
        _admin.Dispose();
        _exchange.Dispose();
    }

    /// <summary>Number of a runner group.</summary>
    /// <exception cref="GitHubException">There is none of that name.</exception>
    public async Task<long> GroupIdAsync(string? name, CancellationToken cancellationToken)
    {
        if (name is null || name.Equals("default", StringComparison.OrdinalIgnoreCase)) return 1;
        var path = $"_apis/runtime/runnergroups/?groupName={Uri.EscapeDataString(name)}";
        var list = await _admin.SendAsync($"look for the runner group {name}", HttpMethod.Get, path, null, ScaleSetJson.Default.RunnerGroupList, cancellationToken);
        return list?.Value is [var group, ..]
            ? group.Id
            : throw new GitHubException(GitHubFault.NotFound, $"There is no runner group \"{name}\". Make it under Settings, Actions, Runner groups, or leave group: out for the default one.");
    }

    private async Task<ScaleSet> CreateAsync(ScaleSet wanted, CancellationToken cancellationToken) =>
        await _admin.SendAsync($"create the scale set {wanted.Name}", HttpMethod.Post, Sets, ServiceExchange.Json(wanted, ScaleSetJson.Default.ScaleSet), ScaleSetJson.Default.ScaleSet, cancellationToken)
        ?? throw new GitHubException(GitHubFault.Garbled, $"Cannot create the scale set {wanted.Name}: the service answered with nothing.");

    private async Task<ScaleSet> UpdateAsync(int id, ScaleSet wanted, CancellationToken cancellationToken) =>
        await _admin.SendAsync(
            $"change the scale set {wanted.Name}", HttpMethod.Patch, $"{Sets}/{id}", ServiceExchange.Json(wanted with { Id = id }, ScaleSetJson.Default.ScaleSet), ScaleSetJson.Default.ScaleSet, cancellationToken)
        ?? throw new GitHubException(GitHubFault.Garbled, $"Cannot change the scale set {wanted.Name}: the service answered with nothing.");

    private static bool Matches(ScaleSet found, ScaleSet wanted) =>
        found.RunnerSetting?.DisableUpdate == true && Names(found).SetEquals(Names(wanted));

    private static HashSet<string> Names(ScaleSet set) => new((set.Labels ?? []).Select(static l => l.Name), StringComparer.OrdinalIgnoreCase);
}
