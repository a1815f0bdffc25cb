using RunnerVm.Machines;
using RunnerVm.Snapshots;
using RunnerVm.Store;
using Xunit;

namespace RunnerVm.Tests.Executor.Snapshots;

public sealed class CloneRecordTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("rv").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void A_failed_trial_holds_for_every_kind_of_machine_of_its_agent_and_for_no_other_agent()
    {
        var record = Record();
        record.Remember("qemu", Key("agent 1", "memory 1024 MiB"), "boot ids");
        Assert.Equal("boot ids", Record().Shared("qemu", Key("agent 1", "memory 256 MiB")));
        Assert.Null(record.Shared("qemu", Key("agent 2", "memory 1024 MiB")));
        Assert.Null(record.Shared("vmm", Key("agent 1", "memory 1024 MiB")));
        Assert.False(record.IsProven("qemu", Key("agent 1", "memory 1024 MiB")));
    }

    [Fact]
    public void A_trial_that_passes_ends_the_refusal()
    {
        var record = Record();
        record.Remember("qemu", Key("agent 1"), "boot ids");
        record.Remember("qemu", Key("agent 1"), null);
        Assert.Null(record.Shared("qemu", Key("agent 1")));
        Assert.True(record.IsProven("qemu", Key("agent 1")));
    }

    private CloneRecord Record() => new(new FactCache(new DataDirectory(_root)));

    private static SnapshotKey Key(params string[] inputs) => new("name", inputs);
}
