using System.Net;
using System.Net.Sockets;
using System.Text;
using RunnerVm.Agents;
using RunnerVm.Agents.Metrics;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Sources;
using Serilog;
using Xunit;

namespace RunnerVm.Tests.Executor.Agents;

/// <summary>What an agent tells those who watch it.</summary>
public sealed class MetricsTests
{
    private const int Timeout = 60_000;

    [Fact(Timeout = Timeout)]
    public async Task Figures_and_health_are_answered_and_draining_is_not_healthy()
    {
        var metrics = new AgentMetrics();
        metrics.PhaseEnded(JobPhase.Booting, TimeSpan.FromSeconds(0.2));
        metrics.PhaseEnded(JobPhase.Booting, TimeSpan.FromSeconds(7));
        metrics.JobStarted("acme/small", TimeSpan.FromSeconds(0.7));
        metrics.JobStarted("acme/small", TimeSpan.FromSeconds(-2));
        metrics.JobEnded(new("gh-1", "acme/small", "build", JobResult.Succeeded, "succeeded"));
        metrics.JobEnded(new("gh-2", "acme/\"odd\\name", "build", JobResult.RunnerFailed, "gone"));
        var capacity = new Capacity(4, new(4, 4096));
        using var held = await capacity.ReserveAsync(new(1, 1024), CancellationToken.None);
        using var draining = new CancellationTokenSource();
        var address = FreeAddress();
        using var server = new StatusServer(address, new MetricsPage(metrics, capacity, [new Figured("acme/small"), new Figured("acme/large")]).Write, new LoggerConfiguration().CreateLogger(), draining.Token);
        using var http = new HttpClient { BaseAddress = new($"http://{address}/") };
        Assert.Equal("ok\n", await http.GetStringAsync("healthz", TestContext.Current.CancellationToken));
        var page = await http.GetStringAsync("metrics", TestContext.Current.CancellationToken);
        foreach (var line in (string[])
        [
            "runnervm_capacity{kind=\"jobs\",state=\"all\"} 4", "runnervm_capacity{kind=\"memory_mib\",state=\"free\"} 3072", "# TYPE runnervm_jobs_total counter",
            "runnervm_jobs_total{forge=\"acme/small\",result=\"succeeded\"} 1", "runnervm_jobs_total{forge=\"acme/\\\"odd\\\\name\",result=\"runner_failed\"} 1",
            "runnervm_queue_to_start_seconds_bucket{forge=\"acme/small\",le=\"0.05\"} 1", "runnervm_queue_to_start_seconds_count{forge=\"acme/small\"} 2",
            "# TYPE runnervm_api_answers_total counter", "runnervm_api_answers_total{forge=\"acme\",api=\"rest\",status=\"200\"} 2",
            "runnervm_phase_seconds_bucket{phase=\"booting\",le=\"0.1\"} 0", "runnervm_phase_seconds_bucket{phase=\"booting\",le=\"0.25\"} 1",
            "runnervm_phase_seconds_bucket{phase=\"booting\",le=\"+Inf\"} 2", "runnervm_phase_seconds_sum{phase=\"booting\"} 7.2", "# TYPE runnervm_phase_seconds histogram",
        ]) Assert.Contains(line + "\n", page);
        PrometheusText.Check(page);
        await draining.CancelAsync();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await http.GetAsync("healthz", TestContext.Current.CancellationToken)).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await http.GetAsync("else", TestContext.Current.CancellationToken)).StatusCode);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_supervisor_hears_that_the_agent_is_ready_alive_and_stopping()
    {
        var path = Path.Join(Directory.CreateTempSubdirectory("rv").FullName, "notify");
        using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path));
        var variables = new Dictionary<string, string> { ["NOTIFY_SOCKET"] = path, ["WATCHDOG_USEC"] = "200000" };
        using (var supervisor = new ServiceSupervisor(variables.GetValueOrDefault, TimeProvider.System))
        {
            supervisor.Ready("takes jobs");
            supervisor.Stopping("waits");
            var heard = new List<string>();
            while (heard.Count(static h => h == "WATCHDOG=1") < 3 || heard.Count < 5) heard.Add(await ReceiveAsync(socket));
            Assert.Contains("READY=1\nSTATUS=takes jobs", heard);
            Assert.Contains("STOPPING=1\nSTATUS=waits", heard);
        }

        // Without a supervisor nothing is said, and nothing fails.
        using var alone = new ServiceSupervisor(static _ => null, TimeProvider.System);
        alone.Ready("takes jobs");
        using var left = new ServiceSupervisor(static name => name == "NOTIFY_SOCKET" ? "/nowhere/notify" : null, TimeProvider.System);
        left.Ready("takes jobs");
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }

    private static async Task<string> ReceiveAsync(Socket socket)
    {
        var buffer = new byte[1024];
        return Encoding.UTF8.GetString(buffer, 0, await socket.ReceiveAsync(buffer, SocketFlags.None, TestContext.Current.CancellationToken));
    }

    /// <summary>One of two forges that share a source.</summary>
    private sealed class Figured : IForge
    {
        private readonly AnswerTally _answers = new();

        public Figured(string name)
        {
            Name = name;
            _answers.Add(200);
            _answers.Add(200);
            _answers.Add(503);
        }

        public string Name { get; }

        public string Fingerprint => "";

        public MachineSize Largest => new(1, 1024);

        public int? Limit => null;

        public TimeSpan Interval => TimeSpan.Zero;

        public IEnumerable<ForgeFigure> Figures => [new("runnervm_github_runners", "Runners.", "state=\"live\"", 1), .. _answers.Figures("rest", "acme")];

        public Task<ForgeCheck> CheckAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task FinishInterruptedAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<ForgeAnswer> AskAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

        public void Dispose()
        {
        }
    }

    private static IPEndPoint FreeAddress()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return (IPEndPoint)socket.LocalEndPoint!;
    }
}
