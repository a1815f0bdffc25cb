using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>SIGKILL of the program at any moment: its machine dies with it, and the next command clears up the rest.</summary>
public sealed class KillTests
{
    private const int Moments = 5;
    private const int SoakMoments = 50;

    private const string Job = """
        job:
          steps:
            - head -c 20000000 /dev/urandom > large; sleep 1
          artifacts: [large]
        """;

    [Fact]
    public async Task Killed_at_random_moments_nothing_is_left_after_the_next_command()
    {
        using var folder = new TestFolder();
        folder.Write("in.txt", new string('x', 5_000_000));
        var seed = Environment.TickCount;
        var random = new Random(seed);
        var phases = new Dictionary<string, int>();
        for (var i = 0; i < (Runner.Soak ? SoakMoments : Moments); i++)
        {
            using var job = RunningJob.Start(Job, folder: folder.Path);
            using var moment = new CancellationTokenSource(TimeSpan.FromMilliseconds(random.Next(50, 7000)));
            var reading = job.FinishAsync();
            await Task.WhenAny(reading, Task.Delay(Timeout.Infinite, moment.Token));
            job.Kill();
            phases[job.Phase ?? "none"] = phases.GetValueOrDefault(job.Phase ?? "none") + 1;
            await Leftovers.NoMachineSoonAsync(TimeSpan.FromSeconds(2));
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}, killed in {string.Join(", ", phases.Select(static p => $"{p.Key}: {p.Value}"))}");
        var next = (await Runner.ExecAsync("job: {script: [echo next], workspace: none}")).ExpectExit(0);
        Assert.Contains("next\n", next.Output);
        Leftovers.AssertNone();
    }

    [Theory]
    [InlineData("preparing")]
    [InlineData("booting")]
    [InlineData("running")]
    [InlineData("collecting")]
    public async Task Killed_in_a_phase_nothing_is_left_after_the_next_command(string phase)
    {
        using var folder = new TestFolder();
        using var job = RunningJob.Start("job: {steps: [truncate -s 4G large], workspace: none, artifacts: [large]}\nrunner: {disk: 10GB}");
        await job.WaitForPhaseAsync(phase);
        // Collecting begins with a look at the files; the half-written artifacts are what is to be found.
        if (phase == "collecting") await job.WaitForAsync(static e => e.GetProperty("event").GetString() == "transfer" && e.GetProperty("bytes").GetInt64() > 0);
        job.Kill();
        await Leftovers.NoMachineSoonAsync(TimeSpan.FromSeconds(2));
        (await Runner.ExecAsync("job: {script: [echo next], workspace: none}")).ExpectExit(0);
        Leftovers.AssertNone();
    }

    [Fact]
    public async Task A_machine_that_is_killed_from_outside_is_told_in_one_sentence()
    {
        using var job = RunningJob.Start("job: {steps: [echo started; sleep 1000], workspace: none}");
        await job.WaitForOutputAsync("started");
        foreach (var machine in Leftovers.Machines())
        {
            using var process = System.Diagnostics.Process.GetProcessById(machine);
            process.Kill();
        }

        var done = (await job.FinishAsync()).ExpectExit(121);
        var last = done.Events[^1];
        Assert.Equal("runnerFailed", last.GetProperty("outcome").GetString());
        Assert.Equal("machineLost", last.GetProperty("reason").GetString());
        Assert.Contains("killed from outside", last.GetProperty("message").GetString());
        Leftovers.AssertNone();
    }
}
