using System.Diagnostics;
using RunnerVm.Store;
using RunnerVm.Tests.StandIns.GitLab;

namespace RunnerVm.Benchmarks;

/// <summary>The agent under a flood of short jobs: a GitLab in this process, the shipped program, machines restored from a snapshot.</summary>
internal static class AgentBenchmark
{
    private const int Jobs = 200;
    private const int AtOnce = 4;

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(60);

    public static void Run(BenchmarkReport report)
    {
        var home = Directory.CreateTempSubdirectory("rvb").FullName;
        try
        {
            var shared = DataDirectory.FromEnvironment();
            foreach (var folder in new[] { shared.Images, shared.Kernels }) Directory.CreateSymbolicLink(Path.Join(home, Path.GetFileName(folder)), folder);
            Environment.SetEnvironmentVariable("RUNNERVM_HOME", home);
            BuiltProgram.Run(null, "snapshot", "create", "--engine", "qemu", "--memory", "256MB", "--disk", "1GB");
            FloodAsync(report, home).GetAwaiter().GetResult();
        }
        finally
        {
            Directory.Delete(home, recursive: true);
        }
    }

    private static async Task FloodAsync(BenchmarkReport report, string home)
    {
        await using var server = await GitLabStandIn.StartAsync();
        var config = Path.Join(home, "agent.yml");
        await File.WriteAllTextAsync(config, $$"""
            capacity: {jobs: {{AtOnce}}, cpus: {{AtOnce}}, memory: 4GB}
            runner: {executor: qemu, memory: 256MB, disk: 1GB}
            gitlab: [{name: stand-in, url: "{{server.Url}}", token: {env: STAND_IN_TOKEN}, check-interval: 100ms}]
            """);
        using var agent = Start(config);
        try
        {
            var flood = await JobFlood.RunAsync(server, Jobs, Limit);
            agent.Refresh();
            report.Figure($"jobs a minute, {Jobs} queued at once, {AtOnce} at once", flood.JobsPerMinute, "");
            report.Figure("GitLab's answer with a job to its first log line there, p50", flood.FirstLine(50).TotalSeconds, "s");
            report.Figure("  p99", flood.FirstLine(99).TotalSeconds, "s");
            report.Figure("the agent's own processor time a job", agent.TotalProcessorTime.TotalMilliseconds / Jobs, "ms");
            report.Figure("  its memory at the end, resident", agent.WorkingSet64 / 1048576.0, "MiB");
            report.Figure("jobs that did not end exactly once, with success", flood.Jobs.Count(static job => (job.State, job.HandedOver, job.Ended) != ("success", 1, 1)), "", 0, higherIsBetter: false);
            report.Figure("most jobs GitLab ever saw handed over and not ended", server.MostBusy, "", AtOnce, higherIsBetter: false);
        }
        finally
        {
            agent.Kill();
            await agent.WaitForExitAsync();
        }
    }

    private static Process Start(string config)
    {
        var start = new ProcessStartInfo(BuiltProgram.Path, ["agent", "--config", config]) { RedirectStandardError = true };
        start.Environment["STAND_IN_TOKEN"] = GitLabStandIn.RunnerToken;
        start.Environment["RUNNERVM_SNAPSHOTS"] = "existing";
        var agent = Process.Start(start)!;
        agent.ErrorDataReceived += static (_, _) => { };
        agent.BeginErrorReadLine();
        return agent;
    }
}
