using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Machine;
using Xunit;

namespace RunnerVm.Tests.Vmm.Machine;

/// <summary>Counts what this process holds, so nothing else may run meanwhile.</summary>
[CollectionDefinition(nameof(LeftoverTests), DisableParallelization = true)]
[Collection(nameof(LeftoverTests))]
public sealed class LeftoverTests
{
    [Fact]
    public void Nothing_is_left_of_a_hundred_machines()
    {
        var kernel = FreestandingGuest.Build("hello", pvh: true);
        var resources = new VmResources { Machine = new() { VcpuCount = 2 }, Entropy = new() };
        RunningGuest.Run(kernel, resources);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        var before = Left();
        for (var i = 0; i < 100; i++) Assert.Equal(GuestEnd.Clean, RunningGuest.Run(kernel, resources).End.ExitCode);
        var after = Left();
        Assert.InRange(after.Descriptors, 0, before.Descriptors + 8); // Other tests and the runtime have their own.
        Assert.InRange(after.Threads, 0, before.Threads + 8);
        Assert.InRange(after.Mappings, 0, before.Mappings + 60);
    }

    [Fact]
    public void A_machine_that_cannot_be_built_leaves_nothing()
    {
        FreestandingGuest.RequireKvm();
        var before = Left();
        for (var i = 0; i < 50; i++)
        {
            var resources = new VmResources { Drives = [new() { DriveId = "d", IsRootDevice = false, PathOnHost = "/nonexistent" }] };
            Assert.Contains("/nonexistent", Assert.Throws<VmmFaultException>(() => RunningGuest.Build(FreestandingGuest.Build("hello"), resources)).Message, StringComparison.Ordinal);
        }

        Assert.InRange(Left().Descriptors, 0, before.Descriptors + 8);
    }

    private static (int Descriptors, int Threads, int Mappings) Left() => (
        Directory.GetFiles("/proc/self/fd").Length,
        Directory.GetDirectories("/proc/self/task").Length,
        File.ReadLines("/proc/self/maps").Count());
}
