using System.Net.WebSockets;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>The lines of a job while it runs, as its page shows them: a socket of the worker's, lost without harm.</summary>
internal sealed class LiveFeed(GitHubWorld world)
{
    private const int LongestMessage = 1 << 20;

    public void Map(WebApplication application)
    {
        application.UseWebSockets();
        application.MapGet("/feed", ServeAsync);
    }

    private async Task ServeAsync(HttpContext context)
    {
        if (!context.WebSockets.IsWebSocketRequest || !world.Tokens.Holds(context.Bearer(), TokenKind.Runner))
        {
            context.Response.StatusCode = 401;
            return;
        }

        using var socket = await context.WebSockets.AcceptWebSocketAsync();
        try
        {
            while (await ReceiveAsync(socket) is { } message)
                foreach (var line in message["value"]?.AsArray() ?? []) world.Feed(line!.GetValue<string>());
        }
        catch (Exception e) when (e is WebSocketException or OperationCanceledException)
        {
            // The machine is gone, as machines go.
        }
    }

    private async Task<JsonNode?> ReceiveAsync(WebSocket socket)
    {
        using var message = new MemoryStream();
        var buffer = new byte[4096];
        while (true)
        {
            var part = await socket.ReceiveAsync(buffer, world.Ended);
            if (part.MessageType == WebSocketMessageType.Close) return null;
            message.Write(buffer, 0, part.Count);
            if (message.Length > LongestMessage) throw new WebSocketException("a message without end");
            if (part.EndOfMessage) return JsonNode.Parse(message.ToArray());
        }
    }
}
