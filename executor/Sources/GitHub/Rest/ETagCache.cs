using Octokit.Caching;
using Octokit.Internal;

namespace RunnerVm.Sources.GitHub.Rest;

/// <summary>
/// The last answers to what is asked again and again, so that GitHub may say "as before" (304), which costs nothing of
/// the rate limit. Holds the most recently used ones only; a change of token makes one full answer each.
/// </summary>
internal sealed class ETagCache(int capacity = 256) : IResponseCache
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, LinkedListNode<(string Key, CachedResponse.V1 Answer)>> _byKey = [];
    private readonly LinkedList<(string Key, CachedResponse.V1 Answer)> _byUse = new();

    public Task<CachedResponse.V1> GetAsync(IRequest request)
    {
        lock (_gate)
        {
            if (!_byKey.TryGetValue(Key(request), out var node)) return Task.FromResult<CachedResponse.V1>(null!);
            _byUse.Remove(node);
            _byUse.AddFirst(node);
            return Task.FromResult(node.Value.Answer);
        }
    }

    public Task SetAsync(IRequest request, CachedResponse.V1 cachedResponse)
    {
        lock (_gate)
        {
            var key = Key(request);
            if (_byKey.Remove(key, out var old)) _byUse.Remove(old);
            _byKey[key] = _byUse.AddFirst((key, cachedResponse));
            if (_byUse.Count <= capacity) return Task.CompletedTask;
            _byKey.Remove(_byUse.Last!.Value.Key);
            _byUse.RemoveLast();
            return Task.CompletedTask;
        }
    }

    private static string Key(IRequest request) => new Uri(request.BaseAddress, request.Endpoint).AbsoluteUri
        + "?" + string.Join('&', request.Parameters.OrderBy(static p => p.Key, StringComparer.Ordinal).Select(static p => $"{p.Key}={p.Value}"));
}
