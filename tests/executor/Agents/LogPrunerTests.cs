using Microsoft.Extensions.Time.Testing;
using RunnerVm.Agents;
using RunnerVm.Leases;
using RunnerVm.Store;
using Serilog.Core;
using Xunit;

namespace RunnerVm.Tests.Executor.Agents;

/// <summary>Logs of jobs that are over are bounded, and how the last of them ended is remembered within bounds too.</summary>
public sealed class LogPrunerTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 11, 25, 12, 0, 0, TimeSpan.Zero);

    private readonly DataDirectory _data = new(Directory.CreateTempSubdirectory("rvlogs").FullName);
    private readonly RunLedger _ledger;
    private readonly LogPruner _pruner;

    public LogPrunerTests()
    {
        _ledger = new(_data, TimeProvider.System);
        _pruner = new(_ledger, Logger.None, new FakeTimeProvider(Now));
    }

    public void Dispose() => Directory.Delete(_data.Root, recursive: true);

    [Fact]
    public async Task The_oldest_go_beyond_the_number_with_all_files_of_the_job_and_a_job_that_runs_keeps_its_own()
    {
        await using var running = _ledger.Take("gh-0");
        for (var i = 0; i < 5; i++) Write($"gh-{i}", minutesAgo: 50 - i);
        _pruner.Limits = new() { Jobs = 2 };
        Assert.Equal(2, _pruner.Prune());
        Assert.Equal(["gh-0", "gh-3", "gh-4"], Left());
        Assert.Equal(6, Directory.GetFiles(_data.Logs).Length);
        Assert.Equal(0, _pruner.Prune());
    }

    [Fact]
    public void What_is_too_old_goes_and_what_is_too_large_in_all()
    {
        Write("old", minutesAgo: 180);
        Write("large", minutesAgo: 30, bytes: 900);
        Write("new", minutesAgo: 1, bytes: 200);
        _pruner.Limits = new() { Age = TimeSpan.FromHours(2) };
        Assert.Equal(1, _pruner.Prune());
        Assert.Equal(["large", "new"], Left());
        _pruner.Limits = new() { Bytes = 1000 };
        Assert.Equal(1, _pruner.Prune());
        Assert.Equal(["new"], Left());
    }

    [Fact]
    public void How_jobs_ended_is_read_in_their_order_and_the_oldest_are_forgotten()
    {
        using var journal = JobJournal.Open(Path.Join(_data.Root, JobJournal.FileName));
        for (var i = 0; i < JobJournal.MostEnded + 3; i++) journal.WriteEnded(new($"gh-{i}", "acme/small", "build", "failed", "It died.", Now));
        var rows = journal.ReadEnded();
        Assert.Equal(JobJournal.MostEnded, rows.Count);
        Assert.Equal(new("gh-3", "acme/small", "build", "failed", "It died.", Now), rows[0]);
        Assert.Equal($"gh-{JobJournal.MostEnded + 2}", rows[^1].JobId);
    }

    private void Write(string job, int minutesAgo, int bytes = 10)
    {
        foreach (var file in new[] { $"{job}.log", $"{job}.egress.jsonl" })
        {
            var path = Path.Join(_data.Logs, file);
            File.WriteAllBytes(path, new byte[bytes / 2]);
            File.SetLastWriteTimeUtc(path, Now.UtcDateTime.AddMinutes(-minutesAgo));
        }
    }

    private IEnumerable<string> Left() => Directory.GetFiles(_data.Logs).Select(static file => Path.GetFileName(file).Split('.')[0]).Distinct().Order();
}
