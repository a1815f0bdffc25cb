using System.Text;
using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>Machines restored from a snapshot: the same to a job as one that booted, and no two alike.</summary>
public sealed class SnapshotTests : IDisposable
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

    private const string Alike = "job: {workspace: none, steps: [{shell: sh, run: 'head -c16 /dev/urandom | od -An -tx1; cat /proc/sys/kernel/random/uuid /proc/sys/kernel/random/boot_id /etc/machine-id /etc/hostname; head -1 /proc/self/maps; date +%s'}]}";

    public void Dispose() => Runner.RunAsync("/", ["snapshot", "rm", "all"]).GetAwaiter().GetResult().ExpectExit(0);

    [Fact]
    public async Task A_restored_machine_looks_to_its_job_as_one_that_booted()
    {
        await MakeAsync();
        var cold = (await Runner.ExecAsync(Seen, ["--json", "--cold"])).ExpectExit(0);
        var restored = (await Runner.ExecAsync(Seen, ["--json"])).ExpectExit(0);
        Assert.False(WasRestored(cold));
        Assert.True(WasRestored(restored));
        Assert.Equal(Output(cold), Output(restored));
        Leftovers.AssertNone();
    }

    [Fact]
    public async Task No_two_machines_of_one_snapshot_are_alike()
    {
        await MakeAsync();
        var first = (await Runner.ExecAsync(Alike, ["--quiet"])).ExpectExit(0).Output.TrimEnd().Split('\n');
        var second = (await Runner.ExecAsync(Alike, ["--quiet"])).ExpectExit(0).Output.TrimEnd().Split('\n');
        Assert.Equal(7, first.Length);
        Assert.DoesNotContain(first[..^1], line => second.Contains(line));
        var away = DateTimeOffset.UtcNow - DateTimeOffset.FromUnixTimeSeconds(long.Parse(second[^1], System.Globalization.CultureInfo.InvariantCulture));
        Assert.InRange(away.TotalSeconds, -2, 30);
    }

    [Fact]
    public async Task A_harmed_snapshot_costs_one_line_and_a_boot()
    {
        var memory = Path.Combine(Store, await MakeAsync(), "memory");
        using (var file = File.OpenHandle(memory, FileMode.Open, FileAccess.Write)) RandomAccess.Write(file, "harm"u8, 5_000_000);
        var done = (await Runner.ExecAsync("job: {workspace: none, script: [echo still right]}", ["--json"])).ExpectExit(0);
        Assert.False(WasRestored(done));
        Assert.Contains("still right\n", Output(done));
        Assert.Single(done.Events, static e => e.GetProperty("event").GetString() == "notice" && e.GetProperty("text").GetString()!.Contains("thrown away", StringComparison.Ordinal));
        Assert.Empty(Directory.GetDirectories(Store));
    }

    [Fact]
    public async Task Secrets_of_jobs_are_in_no_snapshot()
    {
        var environment = new Dictionary<string, string> { ["TOKEN"] = Secret };
        const string job = "job: {workspace: none, secrets: [TOKEN], steps: [{run: 'echo ${#TOKEN}'}]}";
        (await Runner.ExecAsync(job, environment: environment)).ExpectExit(0);
        var name = await MakeAsync();
        (await Runner.ExecAsync(job, environment: environment)).ExpectExit(0);
        foreach (var file in (string[])["memory", "state"]) Assert.False(Contains(Path.Combine(Store, name, file), Secret), file);
        // The search would find what is there.
        Assert.True(Contains(Path.Combine(Store, name, "memory"), "rcupdate.rcu_expedited"));
    }

    [Fact(Timeout = 60_000)]
    public async Task A_maker_that_is_killed_leaves_nothing_after_the_next_command()
    {
        using var maker = Runner.Start("/", ["snapshot", "create"]);
        using (var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20)))
            while (Leftovers.Machines().Count == 0) await tick.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        maker.Kill();
        await Leftovers.NoMachineSoonAsync(TimeSpan.FromSeconds(2));
        (await Runner.ExecAsync("job: {workspace: none, script: ['true']}")).ExpectExit(0);
        Assert.Empty(Directory.GetDirectories(Store));
        Leftovers.AssertNone();
    }

    private static string Store => Path.Combine(Runner.Home, "snapshots");

    private static async Task<string> MakeAsync() => (await Runner.RunAsync("/", ["snapshot", "create"])).ExpectExit(0).Output.Trim();

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
