using System.Diagnostics;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Store;
using RunnerVm.Tests.Executor.Machines;
using Xunit;

namespace RunnerVm.Tests.Executor.Leases;

public sealed class LeaseTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("rv").FullName;

    private RunLedger Ledger => new(new DataDirectory(_root), TimeProvider.System);

    private OrphanSweeper Sweeper => new(Ledger, TimeProvider.System);

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task A_lease_has_a_private_folder_short_enough_for_sockets_and_takes_it_along()
    {
        await using var lease = Ledger.Take("job-1");
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(lease.Directory));
        Assert.Equal(8, Path.GetFileName(lease.Directory).Length);
        await File.WriteAllTextAsync(Path.Combine(lease.Directory, "scratch"), "x");
        await lease.DisposeAsync();
        await lease.DisposeAsync();
        Assert.Empty(Ledger.Folders());
    }

    [Fact]
    public async Task A_record_tells_phase_and_engine()
    {
        await using var lease = Ledger.Take("job-1");
        lease.Record(JobPhase.Booting, Environment.ProcessId);
        lease.Record(JobPhase.Running);
        var record = RunRecord.Read(lease.Directory)!;
        Assert.Equal(("job-1", JobPhase.Running), (record.JobId, record.Phase));
        Assert.Equal(ProcessIdentity.Of(Environment.ProcessId), record.Engine);
    }

    [Fact]
    public async Task What_its_forge_calls_a_job_stays_in_its_record_and_comes_too_late_after_its_end()
    {
        var lease = Ledger.Take("job-1");
        lease.Entitle("acme/app run 900, build");
        lease.Record(JobPhase.Running);
        Assert.Equal("acme/app run 900, build", RunRecord.Read(lease.Directory)!.Title);
        await lease.DisposeAsync();
        lease.Entitle("late");
        Assert.Empty(Ledger.Folders());
    }

    [Fact]
    public async Task A_live_run_is_never_swept()
    {
        await using var lease = Ledger.Take("job-1");
        Assert.Empty(await Sweeper.SweepAsync(TestContext.Current.CancellationToken));
        Assert.True(Directory.Exists(lease.Directory));
    }

    [Fact(Timeout = 90_000)]
    public async Task A_run_of_another_process_is_left_alone_while_it_lives_and_swept_with_its_engine_once_it_is_killed()
    {
        using var engine = StartSleeper();
        await File.WriteAllTextAsync(Path.Combine(_root, "engine"), $"{engine.Id}", TestContext.Current.CancellationToken);
        var (child, folder) = await TestChild.StartAsync(
            typeof(LeaseChild), nameof(LeaseChild.Takes_a_lease_and_waits), _root);
        using (child)
        {
            Assert.Empty(await Sweeper.SweepAsync(TestContext.Current.CancellationToken));
            Assert.False(engine.HasExited);

            await child.KillAsync();
            var swept = Assert.Single(await Sweeper.SweepAsync(TestContext.Current.CancellationToken));
            Assert.Equal(new(folder, "job-of-child", JobPhase.Running, engine.Id, Removed: true), swept);
        }

        await engine.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(137, engine.ExitCode);
        Assert.Empty(Ledger.Folders());
        Assert.Empty(await Sweeper.SweepAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_process_that_only_has_the_same_number_is_not_killed()
    {
        using var bystander = StartSleeper();
        var identity = ProcessIdentity.Of(bystander.Id)!;
        foreach (var other in new[] { identity with { StartTicks = identity.StartTicks - 1 }, identity with { BootId = "earlier" } })
        {
            var folder = Orphan();
            new RunRecord("job-1", 1, DateTimeOffset.UnixEpoch, JobPhase.Booting, other).Write(folder);
            Assert.Null(Assert.Single(await Sweeper.SweepAsync(TestContext.Current.CancellationToken)).KilledEnginePid);
        }

        Assert.False(bystander.HasExited);
        bystander.Kill();
    }

    [Fact]
    public async Task What_an_orphan_left_half_written_elsewhere_goes_with_it()
    {
        var unfinished = Path.Combine(_root, "artifacts.partial");
        Directory.CreateDirectory(Path.Combine(unfinished, "some"));
        new RunRecord("job-1", 1, DateTimeOffset.UnixEpoch, JobPhase.Collecting, null, unfinished).Write(Orphan());
        Assert.True(Assert.Single(await Sweeper.SweepAsync(TestContext.Current.CancellationToken)).Removed);
        Assert.False(Directory.Exists(unfinished));
        Assert.Empty(Ledger.Folders());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("{\"jobId\":\"job-1\",\"own")]
    [InlineData("null")]
    [InlineData("[1]")]
    public async Task A_torn_record_does_not_keep_a_folder(string? record)
    {
        var folder = Orphan();
        if (record is not null)
            await File.WriteAllTextAsync(Path.Combine(folder, RunRecord.FileName), record, TestContext.Current.CancellationToken);
        var swept = Assert.Single(await Sweeper.SweepAsync(TestContext.Current.CancellationToken));
        Assert.Equal(new(folder, null, null, null, Removed: true), swept);
        Assert.Equal("Swept what was left of a job.", swept.ToString());
    }

    [Fact]
    public async Task A_link_in_an_orphan_is_removed_and_not_followed()
    {
        var kept = Path.Combine(_root, "kept");
        Directory.CreateDirectory(kept);
        await File.WriteAllTextAsync(Path.Combine(kept, "file"), "x", TestContext.Current.CancellationToken);
        var folder = Orphan();
        Directory.CreateSymbolicLink(Path.Combine(folder, "link"), kept);
        Directory.CreateDirectory(Path.Combine(folder, "deep"));
        Directory.CreateSymbolicLink(Path.Combine(folder, "deep", "link"), kept);
        await Sweeper.SweepAsync(TestContext.Current.CancellationToken);
        Assert.True(File.Exists(Path.Combine(kept, "file")));
        Assert.Empty(Ledger.Folders());
    }

    [Fact(Timeout = 60_000)]
    public async Task Many_sweepers_and_many_owners_at_once_lose_and_leave_nothing()
    {
        for (var i = 0; i < 50; i++) Orphan();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var sweepers = Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested) await Sweeper.SweepAsync(default);
        })).ToArray();
        var owners = Enumerable.Range(0, 3).Select(owner => Task.Run(async () =>
        {
            for (var i = 0; i < 100; i++)
            {
                await using var lease = Ledger.Take($"job-{owner}-{i}");
                lease.Record(JobPhase.Running);
                Assert.Equal(lease.JobId, RunRecord.Read(lease.Directory)?.JobId);
                Assert.True(Directory.Exists(lease.Directory));
            }
        })).ToArray();
        await Task.WhenAll(owners);
        await stop.CancelAsync();
        await Task.WhenAll(sweepers);
        await Sweeper.SweepAsync(TestContext.Current.CancellationToken);
        Assert.Empty(Ledger.Folders());
    }

    private static Process StartSleeper() => Process.Start("sleep", "300");

    /// <summary>A run folder nobody holds.</summary>
    private string Orphan() =>
        Directory.CreateDirectory(Path.Combine(_root, "runs", Guid.NewGuid().ToString("N")[..8])).FullName;
}
