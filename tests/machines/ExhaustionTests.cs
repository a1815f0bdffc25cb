using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>What a job runs out of is told in one sentence, beside the exit code its process had.</summary>
public sealed class ExhaustionTests
{
    [Fact]
    public async Task A_full_disk()
    {
        var done = (await Runner.ExecAsync(
            "job: {steps: [head -c 300M /dev/zero > large], workspace: none}\nrunner: {disk: 64MB}")).ExpectExit(1);
        Assert.Contains("No space left on device", done.Error);
        Assert.Contains("disk (64 MiB) was full", done.LastLineOfError);
    }

    [Fact]
    public async Task Memory_that_is_not_enough()
    {
        // tail keeps what has no line end in memory.
        var done = (await Runner.ExecAsync(
            "job: {steps: [head -c 500M /dev/zero | tail -n 1 > /dev/null], workspace: none}\nrunner: {memory: 192MB}")).ExpectExit(137);
        Assert.Contains("memory (192 MiB) was full", done.LastLineOfError);
        Assert.Contains("--memory", done.LastLineOfError);
    }
}
