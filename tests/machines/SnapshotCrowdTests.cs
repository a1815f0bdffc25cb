using System.Globalization;
using System.Text.Json;
using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>Many machines of one snapshot, one after the other and all at once.</summary>
public sealed class SnapshotCrowdTests(SnapshotHome home) : IClassFixture<SnapshotHome>
{
    private const string Questions = """
        job:
          workspace: none
          steps:
            - echo $RANDOM-$RANDOM; head -c16 /dev/urandom | od -An -tx1; cat /proc/sys/kernel/random/uuid /proc/sys/kernel/random/boot_id /etc/machine-id /etc/hostname
            - date +%s
            - find /etc /home /opt /root /srv /tmp /var /workspace -xdev | sort | md5sum; ls -A /; echo one > /made; cat /made
        """;

    /// <summary>Lines that must be another in each.</summary>
    private const int Distinct = 6;

    [Fact]
    public async Task One_after_the_other_no_two_are_alike_and_each_has_a_fresh_disk()
    {
        var cold = Lines(await home.ExecAsync(Questions, "--quiet", "--cold"));
        var seen = new HashSet<string>();
        for (var i = 0; i < (Runner.Soak ? 200 : 2); i++)
        {
            var lines = Lines(await home.ExecAsync(Questions, "--quiet"));
            Assert.All(lines[..Distinct], line => Assert.True(seen.Add(line), $"{line} was there before (machine {i})"));
            var away = DateTimeOffset.UtcNow - DateTimeOffset.FromUnixTimeSeconds(long.Parse(lines[Distinct], CultureInfo.InvariantCulture));
            Assert.InRange(away.TotalSeconds, -2, 30);
            Assert.Equal(cold[(Distinct + 1)..], lines[(Distinct + 1)..]);
        }

        home.AssertNothingLeft();
    }

    [Fact]
    public async Task All_at_once_all_answer_and_share_what_they_did_not_write()
    {
        var count = Runner.Soak ? 50 : 3;
        var jobs = new List<RunningJob>();
        try
        {
            for (var i = 0; i < count; i++) jobs.Add(home.Start("job: {workspace: none, script: ['echo here', 'sleep 600']}"));
            foreach (var job in jobs) await job.WaitForOutputAsync("here");
            var machines = SnapshotHome.Machines(home.Path);
            Assert.Equal(count, machines.Count);
            var shares = machines.Select(Share).Order().ToList();
            TestContext.Current.TestOutputHelper?.WriteLine(
                $"{count} machines of 256 MiB: PSS each {string.Join(' ', shares)} MiB, all {shares.Sum()} MiB");
            // A copy that had memory of its own would count all that the guest has touched.
            Assert.InRange(shares[^1], 1, 120);
        }
        finally
        {
            foreach (var job in jobs)
            {
                job.Signal("TERM");
                job.Signal("TERM");
            }

            foreach (var job in jobs)
            {
                await job.FinishAsync();
                job.Dispose();
            }
        }

        home.AssertNothingLeft();
    }

    /// <summary>Of a process, MiB.</summary>
    private static long Share(int pid) =>
        long.Parse(File.ReadLines($"/proc/{pid}/smaps_rollup").First(static l => l.StartsWith("Pss:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;

    private static string[] Lines(Finished done) => done.ExpectExit(0).Output.TrimEnd().Split('\n');
}
