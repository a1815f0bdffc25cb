using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>One session a set, its queue, and what is said and done through it.</summary>
internal sealed partial class ScaleSetService
{
    private async Task OpenSessionAsync(HttpContext context, StandInScaleSet set)
    {
        var owner = (await context.ReadAsync())?["ownerName"]?.GetValue<string>();
        bool open;
        lock (world.Gate)
        {
            open = set.Session is null && world.Knobs.SessionConflicts == 0;
            if (open) (set.Session, set.Heard) = (new(Guid.NewGuid(), owner ?? ""), Environment.TickCount64);
            else if (world.Knobs.SessionConflicts > 0) world.Knobs.SessionConflicts--;
        }

        if (string.IsNullOrEmpty(owner)) world.Requests.Violate("a session without ownerName");
        if (open) await WriteAsync(context, 200, DescribeSession(set));
        else await RefuseAsync(context, 409, "RunnerScaleSetSessionConflictException", $"The actions runner scale set {set.Name} already has an active session");
        world.Change();
    }

    private Task RefreshSessionAsync(HttpContext context, StandInScaleSet set) => IsOpen(context, set)
        ? WriteAsync(context, 200, DescribeSession(set))
        : RefuseAsync(context, 404, "RunnerScaleSetSessionNotFoundException", "No session found");

    private Task CloseSessionAsync(HttpContext context, StandInScaleSet set)
    {
        if (!IsOpen(context, set)) return RefuseAsync(context, 404, "RunnerScaleSetSessionNotFoundException", "No session found");
        lock (world.Gate)
        {
            set.Session = null;
            set.Capacity = 0;
        }

        world.Change();
        context.Response.StatusCode = 204;
        return Task.CompletedTask;
    }

    private async Task AcquireAsync(HttpContext context)
    {
        if (!world.Tokens.Holds(context.Bearer(), TokenKind.Queue))
        {
            await context.WriteAsync(401, null);
            return;
        }

        if (Set(context) is not { } set)
        {
            await RefuseAsync(context, 404, "RunnerScaleSetNotFoundException", "No runner scale set found");
            return;
        }

        var ids = ((JsonArray)(await context.ReadAsync())!).Select(static i => i!.GetValue<long>()).ToList();
        var acquired = world.Acquire(set, ids);
        await WriteAsync(context, 200, new JsonObject { ["count"] = acquired.Count, ["value"] = new JsonArray([.. acquired.Select(static i => JsonValue.Create(i))]) });
    }

    /// <summary>Waits for a message, as long as a poll lasts.</summary>
    private async Task PollAsync(HttpContext context)
    {
        if (await QueueAsync(context) is not { } set) return;
        if (!int.TryParse(context.Request.Headers["X-ScaleSetMaxCapacity"], out var capacity) || capacity < 0)
            world.Requests.Violate($"a poll with X-ScaleSetMaxCapacity '{context.Request.Headers["X-ScaleSetMaxCapacity"]}'");
        if (!context.Request.Headers.Accept.ToString().Contains("api-version=6.0-preview", StringComparison.Ordinal)) world.Requests.Violate($"a poll that accepts '{context.Request.Headers.Accept}'");
        using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, world.Ended);
        end.CancelAfter(world.Knobs.PollTime);
        while (true)
        {
            var changed = world.ChangedAsync();
            JsonObject? message;
            lock (world.Gate)
            {
                (set.Capacity, set.Heard) = (capacity, Environment.TickCount64);
                world.AssignNeedsLock();
                message = world.NextMessageNeedsLock(set) is { } next ? Message(set, next) : null;
            }

            if (message is not null)
            {
                await WriteAsync(context, 200, message);
                return;
            }

            await changed.WaitAsync(end.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!end.IsCancellationRequested) continue;
            context.Response.StatusCode = 202;
            return;
        }
    }

    private async Task AcknowledgeAsync(HttpContext context)
    {
        if (await QueueAsync(context) is not { } set) return;
        lock (world.Gate)
        {
            if (set.Messages.TryPeek(out var message) && message.Id == context.Id("message"))
            {
                if (world.Knobs.DuplicateMessages && !message.Again) message.Again = true;
                else set.Messages.Dequeue();
            }
        }

        context.Response.StatusCode = 204;
    }

    /// <summary>The set whose queue this is, after a look at the token; answers itself where there is none.</summary>
    private async Task<StandInScaleSet?> QueueAsync(HttpContext context)
    {
        if (JsonUserAgent(context) is null) world.Requests.Violate($"a poll with the User-Agent '{context.Request.Headers.UserAgent}'");
        if (!world.Tokens.Holds(context.Bearer(), TokenKind.Queue))
        {
            await context.WriteAsync(401, null);
            return null;
        }

        var session = context.Request.Query["sessionId"].ToString();
        var set = world.ScaleSets.FirstOrDefault(s => s.Session?.Id.ToString() == session);
        if (set is null) await RefuseAsync(context, 404, "RunnerScaleSetSessionNotFoundException", "No session found");
        return set;
    }

    private static bool IsOpen(HttpContext context, StandInScaleSet set) => set.Session?.Id.ToString() == context.Path("session");

    private JsonObject DescribeSession(StandInScaleSet set)
    {
        var queue = new Uri(world.Url, $"/queue/message?sessionId={set.Session!.Id}").AbsoluteUri;
        if (world.Knobs.EmptyQueueUrlOnce) (queue, world.Knobs.EmptyQueueUrlOnce) = ("", false);
        return new()
        {
            ["sessionId"] = set.Session.Id.ToString(), ["ownerName"] = set.Session.Owner, ["runnerScaleSet"] = Describe(set), ["messageQueueUrl"] = queue,
            ["messageQueueAccessToken"] = world.Tokens.NewWebToken(TokenKind.Queue, TimeSpan.FromHours(1)), ["statistics"] = Statistics(set),
        };
    }

    private JsonObject Message(StandInScaleSet set, StandInMessage message) => new()
    {
        ["messageId"] = message.Id, ["messageType"] = "RunnerScaleSetJobMessages", ["statistics"] = Statistics(set), ["body"] = $"[{string.Join(',', message.Entries)}]",
    };
}
