using System.Text;
using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>Machines restored from a snapshot: the same to a job as one that booted, and no two alike.</summary>
public sealed class SnapshotTests(SnapshotHome home) : IClassFixture<SnapshotHome>
{
    private const string Secret = "restored-machines-hold-no-secret-of-others";

    /// <summary>What a job can see of the process it runs in and the machine around it, but for what must differ.</summary>
    private const string Seen = """
        job:
          workspace: none
          steps:
            - run: |
                cat /proc/self/cgroup /proc/self/oom_score_adj /proc/mounts
                ulimit -a; pwd; umask; echo $0
                grep -E 'Sig|Shd|CapEff|Seccomp' /proc/$$/status
                ls -l /proc/$$/fd | sed 's/.*[0-9][0-9]:[0-9][0-9]//; s/pipe:.*/pipe/'
                env | sort | grep -v JOB_ID
                ls -A /tmp /workspace /run /run/runnervm
                nproc
            - run: cat /proc/self/cgroup; echo $0
        """;

    [Fact]
    public async Task A_restored_machine_looks_to_its_job_as_one_that_booted()
    {
        var cold = (await home.ExecAsync(Seen, "--json", "--cold")).ExpectExit(0);
        var restored = (await home.ExecAsync(Seen, "--json")).ExpectExit(0);
        Assert.False(WasRestored(cold));
        Assert.True(WasRestored(restored));
        Assert.Equal(Output(cold), Output(restored));
        home.AssertNothingLeft();
    }

    [Fact]
    public async Task Secrets_of_jobs_are_in_no_snapshot()
    {
        var environment = new Dictionary<string, string>(home.Environment()) { ["TOKEN"] = Secret };
        const string job = "job: {workspace: none, secrets: [TOKEN], steps: [{run: 'echo ${#TOKEN}'}]}";
        (await SnapshotHome.ExecAsync(job, environment)).ExpectExit(0);
        (await home.RunAsync(["snapshot", "rm", "all"])).ExpectExit(0);
        await home.MakeAsync();
        (await SnapshotHome.ExecAsync(job, environment)).ExpectExit(0);
        foreach (var file in (string[])["memory", "state"]) Assert.False(Contains(Path.Combine(home.Snapshot, file), Secret), file);
        // The search would find what is there.
        Assert.True(Contains(Path.Combine(home.Snapshot, "memory"), "rcupdate.rcu_expedited"));
    }

    [Fact(Timeout = 180_000)]
    public async Task A_maker_that_is_killed_leaves_nothing_after_the_next_command()
    {
        using var other = new TestFolder();
        SnapshotHome.LinkImages(other.Path);
        var environment = home.Environment(other.Path);
        using var maker = Runner.Start("/", ["snapshot", "create", .. SnapshotHome.Kind], environment);
        using (var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20)))
            while (SnapshotHome.Machines(other.Path).Count == 0) await tick.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        maker.Kill();
        using (var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20)))
            while (SnapshotHome.Machines(other.Path).Count > 0) await tick.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        (await SnapshotHome.ExecAsync("job: {workspace: none, script: ['true']}", environment)).ExpectExit(0);
        Assert.Empty(Directory.GetDirectories(Path.Combine(other.Path, "snapshots")));
        SnapshotHome.AssertNothingLeft(other.Path);
    }

    private static bool WasRestored(Finished done) =>
        done.Events.Single(static e => e.GetProperty("event").GetString() == "machineReady").GetProperty("restored").GetBoolean();

    private static string Output(Finished done) => string.Concat(done.Events
        .Where(static e => e.GetProperty("event").GetString() == "output").Select(static e => e.GetProperty("text").GetString()));

    private static bool Contains(string path, string text)
    {
        var wanted = Encoding.UTF8.GetBytes(text);
        using var file = File.OpenRead(path);
        var buffer = new byte[1 << 20];
        var kept = 0;
        for (int read; (read = file.Read(buffer, kept, buffer.Length - kept)) > 0;)
        {
            if (buffer.AsSpan(0, kept + read).IndexOf(wanted) >= 0) return true;
            var tail = Math.Min(wanted.Length - 1, kept + read);
            buffer.AsSpan(kept + read - tail, tail).CopyTo(buffer);
            kept = tail;
        }

        return false;
    }
}
