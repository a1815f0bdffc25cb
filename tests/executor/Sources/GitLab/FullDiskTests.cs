using System.Diagnostics;
using RunnerVm.Sources.GitLab;
using RunnerVm.Sources.GitLab.Traces;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitLab;

/// <summary>A host whose disk fills in the middle of a job tells GitLab so at once; nobody waits for the next start.</summary>
public sealed class FullDiskTests
{
    private const int Timeout = 60_000;

    [Fact(Timeout = Timeout)]
    public async Task A_job_whose_log_no_longer_fits_on_the_disk_fails_with_that_sentence_in_its_log()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root can mount a disk of its own");
        await using var bench = await GitLabBench.StartAsync();
        using var disk = new SmallDisk(bench.Data.Traces);
        bench.Run = static async assignment =>
        {
            await assignment.MachineReadyAsync();
            var line = new byte[4096];
            line.AsSpan().Fill((byte)'x');
            for (var i = 0; i < 200; i++) await assignment.Trace.WriteAsync(TraceStream.JobOutput, line);
            return new GitLabOutcome.Succeeded();
        };
        var job = bench.Server.Queue("fills", ["true"]);
        await bench.RunNextAsync();
        Assert.Equal(("failed", "runner_system_failure"), (job.State, job.FailureReason));
        var log = System.Text.Encoding.UTF8.GetString(job.Trace);
        Assert.Contains("Running with runnervm", log);
        Assert.Contains("ERROR: Job failed (system failure): the host could not go on with this job: No space left on device", log);
        bench.AssertNothingIsLeft();
    }

    [Fact(Timeout = Timeout)]
    public async Task A_host_that_cannot_write_down_a_job_leaves_it_to_others()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root can mount a disk of its own");
        await using var bench = await GitLabBench.StartAsync();
        using var disk = new SmallDisk(bench.Data.Traces);
        disk.Fill();
        var job = bench.Server.Queue("never runs", ["true"]);
        await bench.RunNextAsync();
        Assert.Equal((0, false), (job.Ended, job.IsOver));
        Assert.Empty(bench.Server.Violations);
    }

    /// <summary>A file system of its own for a folder, with room for some pages.</summary>
    private sealed class SmallDisk : IDisposable
    {
        private readonly string _folder;

        public SmallDisk(string folder)
        {
            _folder = folder;
            Shell($"mount -t tmpfs -o size=128k tmpfs {folder}");
        }

        public void Fill() => Shell($"head -c 1M /dev/zero >{_folder}/filler 2>/dev/null || :");

        public void Dispose() => Shell($"umount {_folder}");

        private static void Shell(string command)
        {
            using var shell = Process.Start("sh", ["-c", command]);
            shell.WaitForExit();
            Assert.Equal(0, shell.ExitCode);
        }
    }
}
