using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Octokit;
using RunnerVm.Sources.Local;

namespace RunnerVm.Sources.GitHub.Rest;

/// <summary>Turns what Octokit and the network throw into one sentence that says what to do.</summary>
internal static class RestRefusal
{
    private const int MaximumQuote = 300;

    /// <param name="attempt">Completes "Cannot …": "create a runner for organization acme".</param>
    /// <param name="permission">What the call needs, for the sentence of a 403 or 404.</param>
    public static GitHubException Explain(Exception e, string attempt, string permission, string host, ServerClock clock) => e switch
    {
        GitHubException known => known,
        ApiException api => FromAnswer(api, attempt, permission, host, clock),
        HttpRequestException http => new(GitHubFault.Unavailable, $"Cannot {attempt}: {NoAnswer(http, host)}.", e),
        TimeoutException or OperationCanceledException => new(GitHubFault.Unavailable, $"Cannot {attempt}: {host} did not answer in time.", e),
        _ => new(GitHubFault.Garbled, $"Cannot {attempt}: the answer of {host} is not what was agreed on: {Quoted.Line(e.Message, MaximumQuote)}", e),
    };

    /// <summary>Why no answer came, as half a sentence.</summary>
    public static string NoAnswer(HttpRequestException e, string host) => e switch
    {
        { HttpRequestError: HttpRequestError.NameResolutionError } => $"the name {host} cannot be resolved; check the host's DNS and proxy",
        { InnerException: AuthenticationException tls } => $"the certificate of {host} is not accepted ({Quoted.Line(tls.Message.TrimEnd('.'), MaximumQuote)}); a server of your own needs its authority in /etc/ssl/certs",
        { InnerException: SocketException socket } => $"no connection to {host} ({Quoted.Line(socket.Message.TrimEnd('.'), MaximumQuote)})",
        _ => $"the connection to {host} failed ({Quoted.Line((e.InnerException?.Message ?? e.Message).TrimEnd('.'), MaximumQuote)})",
    };

    private static GitHubException FromAnswer(ApiException e, string attempt, string permission, string host, ServerClock clock)
    {
        var said = Quoted.Line(e.ApiError?.Message ?? e.Message, MaximumQuote).TrimEnd('.');
        var (fault, advice) = e.StatusCode switch
        {
            HttpStatusCode.Unauthorized => (GitHubFault.Unauthorized, clock.Complaint ?? "is the App's id right, its key one of this App, or the token still valid"),
            HttpStatusCode.Forbidden => (GitHubFault.Forbidden, $"this needs {permission}"),
            HttpStatusCode.NotFound => (GitHubFault.NotFound, $"it is not there, or hidden from this token; this needs {permission}"),
            HttpStatusCode.Conflict => (GitHubFault.Conflict, "it is there already or in use"),
            HttpStatusCode.UnprocessableEntity or HttpStatusCode.BadRequest => (GitHubFault.Invalid, Details(e)),
            >= HttpStatusCode.InternalServerError => (GitHubFault.Unavailable, "it is GitHub's trouble, and usually passes"),
            _ => (GitHubFault.Garbled, "no such answer was expected"),
        };
        return new(fault, $"Cannot {attempt}: {host} answered {(int)e.StatusCode} ({said}): {advice}.", e);
    }

    private static string Details(ApiException e) => e.ApiError?.Errors is { Count: > 0 } errors
        ? string.Join("; ", errors.Take(5).Select(static x => Quoted.Line(x.Message ?? $"{x.Resource}.{x.Field} {x.Code}", 100)))
        : "the request is not accepted";
}
