using System.Diagnostics;
using RunnerVm.Snapshots;
using Xunit;

namespace RunnerVm.Tests.Executor.Snapshots;

public sealed class QuietTests
{
    [Fact(Timeout = 60_000)]
    public async Task A_process_that_works_is_not_quiet_and_one_that_stopped_is()
    {
        Assert.SkipWhen(Quiet.Demand(Environment.ProcessId) is null, "this kernel has no schedstat");
        using var process = Process.Start("sh", ["-c", "while :; do :; done"]);
        try
        {
            var waiting = Quiet.WaitAsync(process.Id, TimeProvider.System, TestContext.Current.CancellationToken);
            // Longer than an idle process is watched.
            await Task.Delay(TimeSpan.FromSeconds(2.5), TestContext.Current.CancellationToken);
            Assert.False(waiting.IsCompleted);
            using (var stop = Process.Start("sh", ["-c", $"kill -STOP {process.Id}"])) await stop.WaitForExitAsync(TestContext.Current.CancellationToken);
            await waiting;
        }
        finally
        {
            process.Kill();
        }
    }
}
