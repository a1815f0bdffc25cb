using Microsoft.AspNetCore.Http;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>What goes wrong on purpose; each was seen at the real one.</summary>
public sealed class Knobs
{
    private readonly Lock _gate = new();
    private readonly List<Fault> _faults = [];

    /// <summary>Answers of the scale set service begin with a byte order mark.</summary>
    public bool ByteOrderMark { get; set; }

    /// <summary>Each message is delivered once more after it was acknowledged.</summary>
    public bool DuplicateMessages { get; set; }

    /// <summary>The next session has no address of its queue.</summary>
    public bool EmptyQueueUrlOnce { get; set; }

    /// <summary>So many attempts to open a session find another one open.</summary>
    public int SessionConflicts { get; set; }

    /// <summary>Jobs are offered (JobAvailable) and wait to be acquired, as older servers do it.</summary>
    public bool JobsMustBeAcquired { get; set; }

    /// <summary>How long a poll of a queue without messages takes, in real time.</summary>
    public TimeSpan PollTime { get; set; } = TimeSpan.FromMilliseconds(200);

    /// <summary>The same of a runner's poll, which the tests' own waits for before it leaves; null: as long as the others.</summary>
    public TimeSpan? RunnerPollTime { get; set; }

    /// <summary>A session or a runner of which nothing was heard for so long is over; null: never. GitHub takes a minute, and longer for a runner at work.</summary>
    public TimeSpan? LostAfter { get; set; }

    /// <summary>Lifetime of the tokens of the scale set service.</summary>
    public TimeSpan AdminTokenLifetime { get; set; } = TimeSpan.FromHours(1);

    /// <summary>Nobody is answered: every connection is cut.</summary>
    public bool Away { get; set; }

    /// <summary>Answers the next requests whose path contains a part with a status instead of their result.</summary>
    public void Fail(string pathPart, int status, int times = 1, string body = "", Action<IHeaderDictionary>? headers = null)
    {
        lock (_gate) _faults.Add(new(pathPart, status, body, headers) { Left = times });
    }

    internal Fault? TakeFault(string path)
    {
        lock (_gate)
        {
            var fault = _faults.Find(f => f.Left > 0 && path.Contains(f.PathPart, StringComparison.Ordinal));
            if (fault is not null) fault.Left--;
            return fault;
        }
    }

    internal sealed record Fault(string PathPart, int Status, string Body, Action<IHeaderDictionary>? Headers)
    {
        public int Left { get; set; }

        public async Task AnswerAsync(HttpContext context)
        {
            context.Response.StatusCode = Status;
            context.Response.ContentType = Body.StartsWith('{') ? "application/json" : "text/plain";
            Headers?.Invoke(context.Response.Headers);
            await context.Response.WriteAsync(Body);
        }
    }
}
