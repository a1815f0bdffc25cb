using System.Text.Json;
using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>Copies of one snapshot, as runnervm doctor --clones looks at them, and as a job does.</summary>
public sealed class CloneTests(SnapshotHome home) : IClassFixture<SnapshotHome>
{
    [Fact]
    public async Task No_two_copies_of_a_snapshot_are_alike()
    {
        var copies = Runner.Soak ? 20 : 3;
        var done = (await home.RunAsync(["doctor", "--clones", $"{copies}", "--engine", "qemu", "--json", .. SnapshotHome.Kind])).ExpectExit(0);
        var report = JsonDocument.Parse(done.Output).RootElement;
        Assert.True(report.GetProperty("safe").GetBoolean());
        var names = report.GetProperty("checks").EnumerateArray().Select(static c => c.GetProperty("name").GetString()).ToList();
        Assert.Equal(["random", "kernel-uuid", "own-uuid", "boot-id", "machine-id", "hostname", "ports", "addresses", "clock"], names);
        Assert.All(report.GetProperty("checks").EnumerateArray(), c => Assert.Equal(copies, c.GetProperty("distinct").GetInt32()));
        home.AssertNothingLeft();
    }

    [Fact]
    public async Task Where_copies_were_found_alike_machines_boot_and_say_why()
    {
        // As a trial would have left it: the fact of the last one, with another verdict.
        await home.RunAsync(["doctor", "--clones", "2", "--engine", "qemu", .. SnapshotHome.Kind]);
        var fact = Path.Combine(home.Path, "facts", "clones-qemu.json");
        var text = await File.ReadAllTextAsync(fact, TestContext.Current.CancellationToken);
        Assert.Contains("\"safe\"", text);
        await File.WriteAllTextAsync(fact, text.Replace("\"safe\"", "\"boot ids\""), TestContext.Current.CancellationToken);
        try
        {
            var done = (await home.ExecAsync("job: {script: [echo hello], workspace: none}", "--json")).ExpectExit(0);
            Assert.False(Restored(done));
            Assert.Contains("copies share boot ids", done.Output);
        }
        finally
        {
            File.Delete(fact);
        }

        Assert.True(Restored((await home.ExecAsync("job: {script: [echo hello], workspace: none}", "--json")).ExpectExit(0)));
    }

    private static bool Restored(Finished done) =>
        done.Events.Single(static e => e.GetProperty("event").GetString() == "machineReady").GetProperty("restored").GetBoolean();
}
