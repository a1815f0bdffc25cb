using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Store;
using RunnerVm.Tests.Executor.Machines;
using Xunit;

namespace RunnerVm.Tests.Executor.Leases;

/// <summary>What <see cref="LeaseTests"/> runs in a process of its own, to kill it.</summary>
public sealed class LeaseChild
{
    [Fact(Explicit = true)]
    public async Task Takes_a_lease_and_waits()
    {
        var ledger = new RunLedger(new DataDirectory(TestChild.Folder), TimeProvider.System);
        await using var lease = ledger.Take("job-of-child");
        await File.WriteAllTextAsync(Path.Combine(lease.Directory, "scratch"), "x");
        Directory.CreateDirectory(Path.Combine(lease.Directory, "deep", "er"));
        lease.Record(JobPhase.Running, int.Parse(await File.ReadAllTextAsync(Path.Combine(TestChild.Folder, "engine"))));
        TestChild.Report(lease.Directory);
        await Task.Delay(Timeout.Infinite);
    }
}
