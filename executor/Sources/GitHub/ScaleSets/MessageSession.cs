using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace RunnerVm.Sources.GitHub.ScaleSets;

/// <summary>
/// A session's queue: messages in, acknowledgements and acquisitions out, with the queue's own token. When that is over the
/// session is asked for another, once a call. Disposing does not end the session; see <see cref="CloseAsync"/>.
/// </summary>
internal sealed class MessageSession(AdminConnection admin, ServiceExchange exchange, string setPath, ScaleSetSession session)
{
    private ScaleSetSession _session = session;
    private bool _stale = string.IsNullOrEmpty(session.MessageQueueUrl);

    /// <summary>The counts at the session's beginning.</summary>
    public ScaleSetStatistics? Statistics => _session.Statistics;

    public string Id => $"{_session.SessionId}";

    /// <summary>Waits for the next message, up to 50 s.</summary>
    /// <param name="last">The last message that was acknowledged; 0 for none.</param>
    /// <param name="capacity">How many runners this host can have of this set now, those it has included.</param>
    /// <returns>Null: nothing happened.</returns>
    public Task<ScaleSetMessage?> PollAsync(long last, int capacity, CancellationToken cancellationToken) => WithQueueTokenAsync(
        (queue, token) => exchange.SendAsync(
            "wait for jobs",
            () =>
            {
                var request = Request(HttpMethod.Get, last == 0 ? queue : Append(queue, $"lastMessageId={last}"), token);
                request.Headers.TryAddWithoutValidation("Accept", "application/json; api-version=6.0-preview");
                request.Headers.Add("X-ScaleSetMaxCapacity", Math.Max(capacity, 0).ToString());
                return request;
            },
            ScaleSetJson.Default.ScaleSetMessage,
            cancellationToken),
        cancellationToken);

    /// <summary>Takes a message off the queue; one that is not comes again.</summary>
    public Task AcknowledgeAsync(long messageId, CancellationToken cancellationToken) => WithQueueTokenAsync(
        (queue, token) => exchange.SendAsync("acknowledge a message", () => Request(HttpMethod.Delete, BelowPath(queue, messageId), token), cancellationToken),
        cancellationToken);

    /// <summary>Says that this set runs these jobs.</summary>
    /// <returns>Those it got; another set may have been faster.</returns>
    public Task<AcquiredJobs?> AcquireAsync(IReadOnlyList<long> requestIds, CancellationToken cancellationToken) => WithQueueTokenAsync(
        async (_, token) => await admin.SendWithTokenAsync(
            "acquire jobs", HttpMethod.Post, $"{setPath}/acquirejobs", token, JsonSerializer.SerializeToUtf8Bytes(requestIds, ScaleSetJson.Default.IReadOnlyListInt64),
            ScaleSetJson.Default.AcquiredJobs, cancellationToken),
        cancellationToken);

    /// <summary>Ends the session, so that the next listener need not wait for it to time out.</summary>
    public async Task CloseAsync(CancellationToken cancellationToken)
    {
        try
        {
            await admin.SendAsync("close the session", HttpMethod.Delete, SessionPath, null, ScaleSetJson.Default.ScaleSetSession, cancellationToken);
        }
        catch (ServiceException e) when (e.Status == System.Net.HttpStatusCode.NotFound)
        {
            // It is over already.
        }
    }

    private string SessionPath => $"{setPath}/sessions/{_session.SessionId}";

    private async Task<T> WithQueueTokenAsync<T>(Func<Uri, string, Task<T>> call, CancellationToken cancellationToken)
    {
        if (_stale) await RefreshAsync(cancellationToken);
        try
        {
            return await call(new(_session.MessageQueueUrl!), _session.MessageQueueAccessToken!);
        }
        catch (ServiceException e) when (e.TokenIsOver)
        {
            await RefreshAsync(cancellationToken);
            return await call(new(_session.MessageQueueUrl!), _session.MessageQueueAccessToken!);
        }
    }

    /// <summary>A new token and the queue's address of now, which has been empty when the service was unwell.</summary>
    private async Task RefreshAsync(CancellationToken cancellationToken)
    {
        var fresh = await admin.SendAsync("renew the session", HttpMethod.Patch, SessionPath, null, ScaleSetJson.Default.ScaleSetSession, cancellationToken);
        if (string.IsNullOrEmpty(fresh?.MessageQueueUrl) || string.IsNullOrEmpty(fresh.MessageQueueAccessToken))
            throw new GitHubException(GitHubFault.Unavailable, "Cannot wait for jobs: the session has no address of its queue.");
        (_session, _stale) = (fresh, false);
    }

    private static HttpRequestMessage Request(HttpMethod method, Uri uri, string token) =>
        new(method, uri) { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", token) } };

    private static Uri Append(Uri queue, string query) => new($"{queue.AbsoluteUri}{(queue.Query.Length > 0 ? '&' : '?')}{query}");

    private static Uri BelowPath(Uri queue, long id) => new($"{queue.GetLeftPart(UriPartial.Path).TrimEnd('/')}/{id}{queue.Query}");
}
