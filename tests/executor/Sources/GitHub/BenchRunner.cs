using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using RunnerVm.GuestProtocol;
using RunnerVm.Tests.Executor.Jobs;

namespace RunnerVm.Tests.Executor.Sources.GitHub;

/// <summary>
/// What GitHub's runner does, as far as its host sees it: connects by the configuration in its environment, waits for a job,
/// does it and leaves. A job's script is one word: fail, exhaust (fail for want of memory), wait (until cancelled), die (with its
/// machine), leave (in the middle), anything else succeeds.
/// </summary>
internal sealed class BenchRunner
{
    private const int Killed = 137;

    private readonly HttpClient _http = new() { DefaultRequestHeaders = { { "User-Agent", "bench" } } };
    private bool _exhausted;

    /// <summary>False: for so many runs that what is remembered of them would count.</summary>
    public bool Remembers { get; init; } = true;

    /// <summary>Every environment a runner was started with.</summary>
    public List<Dictionary<string, string>> Environments { get; } = [];

    /// <summary>Awaited before a runner connects; false: it ends with an error instead.</summary>
    public Func<Task<bool>> Connects { get; set; } = static () => Task.FromResult(true);

    /// <summary>Said instead of listening.</summary>
    public string? LastWords { get; set; }

    public async Task ExecAsync(GuestChannel channel, FakeMachine machine)
    {
        var request = ExecRequest.Read(channel.Request.Span);
        lock (Environments)
        {
            if (Remembers) Environments.Add(request.Environment);
        }

        using var end = CancellationTokenSource.CreateLinkedTokenSource(machine.Gone);
        var asked = UntilAskedAsync(channel, end);
        var code = 1;
        if (!await Connects()) await SayAsync(channel, LastWords ?? "An error occurred: no route to host");
        else code = await RunAsync(channel, machine, request.Environment["ACTIONS_RUNNER_INPUT_JITCONFIG"], end.Token);
        if (code == Killed) await ScriptedAgent.Close(channel, new ExecResult { Signal = 9 });
        else if (code >= 0) await ScriptedAgent.Close(channel, new ExecResult { ExitCode = code, OutOfMemory = request.TellsAlways && _exhausted });
        _ = asked;
    }

    private async Task<int> RunAsync(GuestChannel channel, FakeMachine machine, string configuration, CancellationToken end)
    {
        var (server, client) = Decode(configuration);
        if (await TokenAsync(server, client) is not { } token)
        {
            await SayAsync(channel, "Failed to create a session. The runner registration has been deleted from the server, please re-configure.");
            return 1;
        }

        var session = new Session(_http, server, token);
        await session.SendAsync(HttpMethod.Post, "broker/session", new() { ["agent"] = new JsonObject() });
        await SayAsync(channel, "Current runner version: '2.336.0'\n2026-11-25 10:00:00Z: Listening for Jobs");
        while (!end.IsCancellationRequested)
        {
            var (status, message) = await session.PollAsync(end);
            if (status == HttpStatusCode.NotFound) return 0;
            if (message is null) continue;
            var work = await session.SendAsync(HttpMethod.Post, "run/acquirejob", new() { ["jobMessageId"] = JsonNode.Parse(message["body"]!.GetValue<string>())!["runner_request_id"]!.GetValue<string>() });
            if (work is null) continue;
            return await DoAsync(channel, machine, session, work, end);
        }

        await session.SendAsync(HttpMethod.Delete, "broker/session", null);
        return 0;
    }

    private async Task<int> DoAsync(GuestChannel channel, FakeMachine machine, Session session, JsonNode job, CancellationToken end)
    {
        var name = job["jobDisplayName"]!.GetValue<string>();
        await SayAsync(channel, $"2026-11-25 10:00:01Z: Running job: {name}");
        var result = "Succeeded";
        switch (job["steps"]![0]!["inputs"]!["map"]![0]!["value"]!.GetValue<string>())
        {
            case "fail":
                result = "Failed";
                break;
            case "exhaust":
                (result, _exhausted) = ("Failed", true);
                break;
            case "leave":
                return Killed;
            case "die":
                machine.Die(137);
                return -1;
            case "wait":
                result = "Canceled";
                while (!end.IsCancellationRequested && (await session.PollAsync(end)).Message?["messageType"]?.GetValue<string>() != "JobCancellation") await Task.Yield();
                break;
        }

        await session.SendAsync(HttpMethod.Post, "run/completejob", new() { ["jobId"] = job["jobId"]!.GetValue<string>(), ["conclusion"] = result.ToLowerInvariant() });
        await SayAsync(channel, $"2026-11-25 10:00:02Z: Job {name} completed with result: {result}");
        return 0;
    }

    private async Task<string?> TokenAsync(Uri server, string client)
    {
        var form = new FormUrlEncodedContent([new("grant_type", "client_credentials"), new("client_id", client)]);
        var answer = await _http.PostAsync(new Uri(server, "oauth/token"), form);
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["access_token"]?.GetValue<string>();
    }

    private static (Uri Server, string Client) Decode(string configuration)
    {
        var files = Json(configuration);
        return (new(new Uri(Json(files[".runner"]!.GetValue<string>())["ServerUrlV2"]!.GetValue<string>()), "/"), Json(files[".credentials"]!.GetValue<string>())["Data"]!["ClientId"]!.GetValue<string>());
    }

    private static JsonNode Json(string base64) => JsonNode.Parse(Encoding.UTF8.GetString(Convert.FromBase64String(base64)))!;

    private static async Task SayAsync(GuestChannel channel, string text) => await channel.WriteAsync(0, Encoding.UTF8.GetBytes(text + "\n"));

    private static async Task UntilAskedAsync(GuestChannel channel, CancellationTokenSource end)
    {
        try
        {
            while (await channel.ReadAsync() is { } piece)
            {
                if (Messages.Read(piece.Bytes, Messages.Default.ExecControl).Signal == 15) await end.CancelAsync();
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The channel is over.
        }
    }

    private sealed class Session(HttpClient http, Uri server, string token)
    {
        public async Task<JsonNode?> SendAsync(HttpMethod method, string path, JsonObject? body)
        {
            using var request = new HttpRequestMessage(method, new Uri(server, path)) { Headers = { Authorization = new("Bearer", token) } };
            if (body is not null) request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
            using var answer = await http.SendAsync(request);
            var text = await answer.Content.ReadAsStringAsync();
            return answer.IsSuccessStatusCode && text.Length > 0 ? JsonNode.Parse(text) : null;
        }

        public async Task<(HttpStatusCode Status, JsonNode? Message)> PollAsync(CancellationToken end)
        {
            try
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(server, "broker/message?status=Online")) { Headers = { Authorization = new("Bearer", token) } };
                    using var answer = await http.SendAsync(request, end);
                return (answer.StatusCode, answer.StatusCode == HttpStatusCode.OK ? JsonNode.Parse(await answer.Content.ReadAsStringAsync(end)) : null);
            }
            catch (Exception e) when (e is OperationCanceledException or HttpRequestException)
            {
                return (HttpStatusCode.Accepted, null);
            }
        }
    }
}
