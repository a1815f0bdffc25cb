using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Logs;
using RunnerVm.Sources.GitLab.Caches;
using RunnerVm.Sources.GitLab.Files;
using RunnerVm.Sources.GitLab.Payload;

namespace RunnerVm.Sources.GitLab.Stages;

/// <summary>A job's caches, in before its scripts and out after them. Whatever goes wrong with one is a warning.</summary>
internal sealed class CacheStages(GitLabAssignment assignment, JobPlan plan, StageRunner stages, CachedFiles files)
{
    public async Task RestoreAsync(StopRequest stop)
    {
        var wanted = Wanted(static policy => policy is "pull" or "pull-push", static _ => true);
        if (wanted.Count == 0) return;
        await using var stage = await stages.OpenAsync(StageNames.RestoreCache);
        foreach (var cache in wanted)
        {
            if (stop.Asked.IsCancellationRequested) return;
            await GuardAsync($"The cache {UntrustedText.Line(cache.Key)} could not be restored", () => RestoreAsync(cache, stop));
        }
    }

    public async Task ArchiveAsync(bool succeeded, StopRequest stop)
    {
        var wanted = Wanted(static policy => policy is "push" or "pull-push", when => Runs(when, succeeded));
        if (wanted.Count == 0) return;
        await using var stage = await stages.OpenAsync(succeeded ? StageNames.ArchiveCache : StageNames.ArchiveCacheOnFailure);
        foreach (var cache in wanted)
        {
            if (stop.Asked.IsCancellationRequested) return;
            await GuardAsync($"The cache {UntrustedText.Line(cache.Key)} could not be saved", () => ArchiveAsync(cache, stop));
        }
    }

    /// <summary>When a cache or an artifact is kept, given how the job went.</summary>
    internal static bool Runs(string when, bool succeeded) => when switch
    {
        "always" => true,
        "on_failure" => !succeeded,
        _ => succeeded,
    };

    private List<JobCache> Wanted(Func<string, bool> policy, Func<string, bool> when) => [.. assignment.Payload.Cache.Where(c =>
        (c.Paths.Count > 0 || c.Untracked) && when(c.When) && policy(plan.Variables.Expand(c.Policy) is { Length: > 0 } written ? written : "pull-push"))];

    private async Task RestoreAsync(JobCache cache, StopRequest stop)
    {
        foreach (var key in Keys(cache))
        {
            var clean = CacheKey.Clean(key);
            if (clean.Length == 0) continue;
            await assignment.Trace.SayAsync($"Checking cache for {UntrustedText.Line(clean)}...");
            if (await files.RestoreAsync(stages.Guest, clean, plan.Paths.Project, stop.Asked) is not { } count) continue;
            await assignment.Trace.SayAsync($"Successfully extracted cache ({count} files)");
            return;
        }

        await assignment.Trace.SayAsync("There is no such cache yet.");
    }

    /// <summary>The key, then what may stand in for it, in order.</summary>
    private IEnumerable<string> Keys(JobCache cache)
    {
        yield return Key(cache);
        foreach (var key in cache.FallbackKeys) yield return plan.Variables.Expand(key);
        if (plan.Variables.Find("CACHE_FALLBACK_KEY") is not { Length: > 0 } last) yield break;
        if (CacheKey.MayFallBackTo(last)) yield return last;
    }

    private string Key(JobCache cache) => plan.Variables.Expand(cache.Key) is { Length: > 0 } key
        ? key
        : $"{assignment.Payload.JobInfo.Name}/{assignment.Payload.GitInfo.Ref}";

    private async Task ArchiveAsync(JobCache cache, StopRequest stop)
    {
        var key = CacheKey.Clean(Key(cache));
        if (key.Length == 0)
        {
            await assignment.Trace.WarnAsync($"The cache's key \"{UntrustedText.Line(cache.Key)}\" is empty once it is cleaned; nothing is saved.");
            return;
        }

        await assignment.Trace.SayAsync($"Creating cache {UntrustedText.Line(key)}...");
        var chosen = await plan.ChooseAsync(stages.Guest, cache.Paths, [], cache.Untracked, assignment.Trace, stop);
        if (chosen is null) return;
        if (await files.SaveAsync(stages.Guest, chosen, key, stop.Asked) is { } saved)
            await assignment.Trace.SayAsync($"Created cache: {saved.Entries} entries, {Readable.Size(saved.Bytes)} compressed");
        else
            await assignment.Trace.WarnAsync("Nothing matches the cache's paths, or it is larger than this host keeps; nothing was saved.");
    }

    /// <summary>What concerns this cache alone. A guest that breaks the rules, or a machine that is gone, ends the job.</summary>
    private static bool IsCacheTrouble(Exception e) => e is GuestFailedException or JobRefusedException or UnauthorizedAccessException or ZstdSharp.ZstdException
        or (IOException and not (ProtocolException or ChannelResetException or EndOfStreamException));

    private async Task GuardAsync(string what, Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (Exception e) when (IsCacheTrouble(e))
        {
            await assignment.Trace.WarnAsync($"{what}: {e.Message}");
        }
    }
}
