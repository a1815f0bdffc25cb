using System.Diagnostics;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace RunnerVm.Tests.StandIns.GitLab;

/// <summary>
/// GitLab's side of the runner protocol over real HTTP, as strict as the real one and then some: what a runner may not do
/// is refused and written down in <see cref="Violations"/>, which every test expects to be empty.
/// </summary>
public sealed partial class GitLabStandIn : IAsyncDisposable
{
    public const string RunnerToken = "glrt-t1_standInRunner0001";

    private readonly Lock _lock = new();
    private readonly WebApplication _server;
    private readonly LinkedList<StandInJob> _queue = new();
    private readonly Dictionary<long, StandInJob> _jobs = [];
    private readonly List<string> _violations = [];
    private readonly List<PlannedAnswer> _planned = [];
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _nextId = 1000;
    private int _cursor;

    private GitLabStandIn(int port, X509Certificate2? certificate)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(options =>
        {
            options.ListenLocalhost(port, listen =>
            {
                if (certificate is not null) listen.UseHttps(certificate);
            });
            options.Limits.MaxRequestBodySize = 1L << 30;
            options.Limits.MinRequestBodyDataRate = null;
        });
        _server = builder.Build();
        _server.Run(AnswerAsync);
    }

    public Uri Url { get; private set; } = null!;

    /// <summary>Served beside the API to who brings the token of a job that runs.</summary>
    public GitRepositories Repositories { get; } = new();

    /// <summary>What the client did that it may not do.</summary>
    public IReadOnlyList<string> Violations
    {
        get
        {
            lock (_lock) return [.. _violations];
        }
    }

    /// <summary>Connections are cut before an answer: the server is gone.</summary>
    public bool Gone { get; set; }

    /// <summary>False: a job runs as soon as it is handed over, as on older servers.</summary>
    public bool TwoPhase { get; set; } = true;

    /// <summary>After that long without a word a job that was handed over and not begun goes back to the queue.</summary>
    public TimeSpan ReturnAfter { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>X-GitLab-Trace-Update-Interval, in seconds; null leaves it out.</summary>
    public int? UpdateInterval { get; set; } = 3;

    /// <summary>How often a final state is answered by 202 before it is accepted.</summary>
    public int Acceptances { get; set; }

    /// <summary>Jobs that are running or waiting now, and the most there ever were.</summary>
    public int Busy { get; private set; }

    public int MostBusy { get; private set; }

    public int Requests { get; private set; }

    /// <summary>Runners this instance knows, and how often each has asked for a job.</summary>
    public Dictionary<string, int> RequestsByToken { get; } = new() { [RunnerToken] = 0 };

    /// <summary>The cursor of the last question that had one.</summary>
    public string? LastCursor { get; private set; }

    /// <param name="certificate">Speaks TLS with it; null: plain HTTP.</param>
    public static async Task<GitLabStandIn> StartAsync(X509Certificate2? certificate = null)
    {
        var port = FreePort();
        var standIn = new GitLabStandIn(port, certificate);
        await standIn._server.StartAsync();
        standIn.Url = new($"{(certificate is null ? "http" : "https")}://127.0.0.1:{port}/");
        return standIn;
    }

    /// <summary>Puts a job at the queue's end.</summary>
    /// <param name="change">Last changes to its payload.</param>
    public StandInJob Queue(string name, string[] script, Action<JsonObject>? change = null)
    {
        lock (_lock)
        {
            var id = _nextId++;
            var token = $"glcbt-{id}-{Guid.NewGuid():N}"[..40];
            var payload = StandInPayload.Create(id, token, name, script);
            change?.Invoke(payload);
            var job = new StandInJob(id, token, payload);
            _jobs.Add(id, job);
            _queue.AddLast(job);
            Change_NeedsLock();
            return job;
        }
    }

    /// <summary>The same with a repository to clone: <c>group/demo</c> of <see cref="Repositories"/>.</summary>
    public StandInJob QueueWithSources(string name, string sha, string[] script, Action<JsonObject>? change = null) => Queue(name, script, payload =>
    {
        StandInPayload.AddSources(payload, Url, sha);
        change?.Invoke(payload);
    });

    /// <summary>A job that is over and left an archive, whatever is in it.</summary>
    public StandInJob AddFinished(string name, byte[] archive)
    {
        lock (_lock)
        {
            var job = Queue(name, ["true"]);
            _queue.Remove(job);
            job.State = "success";
            job.Stored.Add(new("artifacts.zip", "archive", "zip", null, archive));
            return job;
        }
    }

    /// <summary>The next calls whose method and path begin so get this answer instead.</summary>
    public void AnswerNext(string method, string pathPart, int status, int count = 1, Action<HttpResponse>? more = null)
    {
        lock (_lock) _planned.Add(new(method, pathPart, status, count, more));
    }

    /// <summary>Somebody presses Cancel.</summary>
    /// <param name="gracefully">The script is stopped and after_script still runs; otherwise the job is over at once.</param>
    public void Cancel(StandInJob job, bool gracefully)
    {
        lock (_lock)
        {
            SetState_NeedsLock(job, gracefully && job.State == "running" ? "canceling" : "canceled");
        }
    }

    /// <summary>Waits until a condition over the server's state holds; fails after <paramref name="limit"/>.</summary>
    public async Task WaitAsync(Func<bool> condition, TimeSpan limit, string what)
    {
        using var deadline = new CancellationTokenSource(limit);
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                if (condition()) return;
                changed = _changed.Task;
            }

            try
            {
                await changed.WaitAsync(deadline.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"{what}: not within {limit.TotalSeconds} s\n{Describe()}");
            }
        }
    }

    public Task WaitForEndAsync(StandInJob job, TimeSpan limit) => WaitAsync(() => job.IsOver && job.Ended > 0 || job.State == "canceled", limit, $"end of job {job.Id}");

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        Repositories.Dispose();
    }

    private string Describe()
    {
        lock (_lock)
        {
            var jobs = _jobs.Values.Select(static j => $"job {j.Id}: {j.State} {j.FailureReason}, {j.Log.Length} bytes of log:\n{j.TraceText}");
            return string.Join('\n', [.. _violations.Select(static v => $"violation: {v}"), .. jobs.Take(10)]);
        }
    }

    private static int FreePort()
    {
        using var probe = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        probe.Start();
        return ((System.Net.IPEndPoint)probe.LocalEndpoint).Port;
    }

    private void SetState_NeedsLock(StandInJob job, string state)
    {
        job.State = state;
        Busy = _jobs.Values.Count(static j => j.State is "waiting" or "running" or "canceling");
        MostBusy = Math.Max(MostBusy, Busy);
        if (job.IsOver) job.ToEnd ??= job.SinceHandover;
        Change_NeedsLock();
    }

    private void Change_NeedsLock()
    {
        _cursor++;
        var changed = _changed;
        _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.SetResult();
    }

    private void ReturnSilent_NeedsLock()
    {
        foreach (var job in _jobs.Values.Where(j => j.State == "waiting" && Stopwatch.GetElapsedTime(j.LastSign) > ReturnAfter).ToList())
        {
            SetState_NeedsLock(job, "queued");
            _queue.AddLast(job);
        }
    }

    private sealed record PlannedAnswer(string Method, string PathPart, int Status, int Count, Action<HttpResponse>? More)
    {
        public int Left { get; set; } = Count;
    }
}
