using RunnerVm.Tests.StandIns.GitLab;
using Xunit;

namespace RunnerVm.Tests.Machines.GitLab;

/// <content>More jobs than there is room for.</content>
public sealed partial class AgentTests
{
    private const int Jobs = 6;
    private const int JobsAtOnce = 2;
    private const int SoakJobs = 200;
    private const int SoakJobsAtOnce = 4;

    [Fact]
    public async Task Of_many_jobs_queued_at_once_each_ends_exactly_once_and_machines_never_exceed_the_room()
    {
        var room = Runner.Soak ? SoakJobsAtOnce : JobsAtOnce;
        await using var server = await GitLabStandIn.StartAsync();
        using var agent = await AgentProcess.StartAsync(server, home, room);
        using var counting = new CancellationTokenSource();
        var most = CountMachinesAsync(counting.Token);
        var before = agent.ProcessorTime;
        var flood = await JobFlood.RunAsync(server, Runner.Soak ? SoakJobs : Jobs, Runner.Soak ? TimeSpan.FromMinutes(40) : AgentProcess.Patience * 2);
        TestContext.Current.TestOutputHelper?.WriteLine($"{flood.Describe(agent.ProcessorTime - before)}; {room} at once");
        await counting.CancelAsync();

        Assert.All(flood.Jobs, static job => Assert.True(
            (job.State, job.HandedOver, job.Ended) == ("success", 1, 1), $"job {job.Id}: {job.State} {job.FailureReason}, handed over {job.HandedOver} times, ended {job.Ended} times\n{job.TraceText}"));
        Assert.All(flood.Jobs, static job => Assert.Matches($@"(?m)^\S+Z 01O this is {job.Payload["job_info"]!["name"]}$", job.TraceText));
        Assert.InRange(await most, 1, room);
        Assert.InRange(server.MostBusy, 1, room);
        agent.Terminate();
        Assert.Equal(0, await agent.EndAsync());
        Assert.Empty(server.Violations);
        home.AssertNothingLeft();
    }

    /// <returns>The most machines that were seen at once.</returns>
    private async Task<int> CountMachinesAsync(CancellationToken ended)
    {
        var most = 0;
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        try
        {
            while (await tick.WaitForNextTickAsync(ended)) most = Math.Max(most, SnapshotHome.Machines(home.Path).Count);
        }
        catch (OperationCanceledException)
        {
            // All have ended.
        }

        return most;
    }
}
