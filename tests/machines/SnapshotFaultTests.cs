using System.Diagnostics;
using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>Whatever happens to a snapshot, while it is made or while it lies there: the job is right, and nothing half-written stays.</summary>
public sealed class SnapshotFaultTests(SnapshotHome home) : IClassFixture<SnapshotHome>
{
    private const int SoakHarms = 200;
    private const string Hello = "job: {workspace: none, script: [echo still right]}";

    [Fact]
    public async Task A_snapshot_harmed_at_random_costs_one_line_and_a_boot()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        using var kept = new TestFolder();
        Copy(home.Snapshot, kept.Path);
        for (var i = 0; i < (Runner.Soak ? SoakHarms : 1); i++)
        {
            foreach (var harm in new Action<string, Random>[] { Cut, TurnBit })
            {
                var file = Path.Combine(home.Snapshot, new[] { "memory", "state", "scratch" }[random.Next(3)]);
                harm(file, random);
                var done = (await home.ExecAsync(Hello, "--json")).ExpectExit(0);
                Assert.False(Restored(done), $"{harm.Method.Name} of {file}");
                Assert.Contains("still right\\n", done.Output);
                Assert.Single(done.Events, static e => Is(e, "notice") && e.GetProperty("text").GetString()!.Contains("thrown away", StringComparison.Ordinal));
                home.AssertNothingLeft();
                Assert.Empty(Directory.GetDirectories(home.Snapshots));
                // As a maker would have put it there: whole, in one step.
                Copy(kept.Path, Directory.CreateDirectory(Path.Combine(home.Path, "again")).FullName);
                Directory.Move(Path.Combine(home.Path, "again"), Path.Combine(home.Snapshots, home.Name));
            }
        }

        Assert.True(Restored((await home.ExecAsync(Hello, "--json")).ExpectExit(0)));
    }

    [Fact]
    public async Task Two_makers_at_once_make_one_snapshot_and_both_are_content()
    {
        var name = home.Name;
        Directory.Delete(home.Snapshot, recursive: true);
        var both = await Task.WhenAll(home.RunAsync(["snapshot", "create", .. SnapshotHome.Kind]), home.RunAsync(["snapshot", "create", .. SnapshotHome.Kind]));
        Assert.All(both, done => Assert.Equal(name, done.ExpectExit(0).Output.Trim()));
        Assert.Equal(name, Path.GetFileName(home.Snapshot));
        home.AssertNothingLeft();
        Assert.True(Restored((await home.ExecAsync(Hello, "--json")).ExpectExit(0)));
    }

    [Fact]
    public async Task On_a_disk_that_fills_up_meanwhile_none_is_made_and_jobs_run()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "mounts a small file system: run it as root");
        if (Runner.Soak) await WithDiskAsync(megabytes: 1400, fill: true);
        else await WithDiskAsync(megabytes: 100, fill: false);
    }

    /// <param name="fill">Whether it has room enough at first, and is filled by somebody else while the machine runs.</param>
    private async Task WithDiskAsync(int megabytes, bool fill)
    {
        using var other = new TestFolder();
        SnapshotHome.LinkImages(other.Path);
        var store = Directory.CreateDirectory(Path.Combine(other.Path, "snapshots")).FullName;
        await ShellAsync($"mount -t tmpfs -o size={megabytes}M tmpfs {store}");
        try
        {
            using var maker = Runner.Start(other.Path, ["snapshot", "create", .. SnapshotHome.Kind], home.Environment(other.Path));
            var error = maker.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            if (fill)
            {
                using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
                while (SnapshotHome.Machines(other.Path).Count == 0) await tick.WaitForNextTickAsync(TestContext.Current.CancellationToken);
                await ShellAsync($"head -c {megabytes}M /dev/zero > {store}/.filler 2>/dev/null || :");
            }

            await maker.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.NotEqual(0, maker.ExitCode);
            Assert.StartsWith("Cannot make a snapshot", (await error).TrimEnd().Split('\n')[^1]);
            File.Delete($"{store}/.filler");
            Assert.Contains("still right", (await Runner.ExecAsync(Hello, ["--engine", "qemu", .. SnapshotHome.Kind], home.Environment(other.Path))).ExpectExit(0).Output);
            SnapshotHome.AssertNothingLeft(other.Path);
            Assert.Empty(Directory.GetDirectories(store));
        }
        finally
        {
            await ShellAsync($"umount {store}");
        }
    }

    private static void Cut(string path, Random random)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write);
        RandomAccess.SetLength(file, random.NextInt64(RandomAccess.GetLength(file)));
    }

    private static void TurnBit(string path, Random random)
    {
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
        var at = random.NextInt64(RandomAccess.GetLength(file));
        var one = new byte[1];
        RandomAccess.Read(file, one, at);
        one[0] ^= (byte)(1 << random.Next(8));
        RandomAccess.Write(file, one, at);
    }

    private static void Copy(string from, string to)
    {
        using var process = Process.Start("cp", ["--sparse=always", "-r", $"{from}/.", to]);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    private static async Task ShellAsync(string script)
    {
        using var process = Process.Start("sh", ["-c", script]);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, process.ExitCode);
    }

    private static bool Is(System.Text.Json.JsonElement e, string name) => e.GetProperty("event").GetString() == name;

    private static bool Restored(Finished done) => done.Events.Single(static e => Is(e, "machineReady")).GetProperty("restored").GetBoolean();
}
