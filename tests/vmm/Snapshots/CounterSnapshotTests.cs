using RunnerVm.Tests.Vmm.Machine;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Machine;
using Xunit;

namespace RunnerVm.Tests.Vmm.Snapshots;

/// <summary>A guest that counts by timers and on all its processors, saved and restored on /dev/kvm.</summary>
public sealed class CounterSnapshotTests : IDisposable
{
    private readonly SnapshotFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void A_guest_goes_on_where_it_was_saved(int vcpus)
    {
        using var guest = Start(vcpus);
        guest.Save(_folder.State, _folder.Memory, resume: false);
        using var clone = RunningGuest.Restore(_folder.Load());
        Assert.True(clone.Machine.Paused);
        Finish(clone);
        // The one it was taken of is none the worse.
        Finish(guest);
    }

    [Fact]
    public void Two_from_one_file_at_once_have_memory_of_their_own()
    {
        using (var guest = Start(2)) guest.Save(_folder.State, _folder.Memory, resume: false);
        var before = File.ReadAllBytes(_folder.Memory);
        using var first = RunningGuest.Restore(_folder.Load());
        using var second = RunningGuest.Restore(_folder.Load());
        Finish(first);
        Finish(second);
        Assert.Equal(before, File.ReadAllBytes(_folder.Memory));
    }

    [Fact]
    public void A_clone_of_a_clone_goes_on()
    {
        using (var guest = Start(2)) guest.Save(_folder.State, _folder.Memory, resume: false);
        using (var clone = RunningGuest.Restore(_folder.Load()))
        {
            clone.OnLoop(clone.Machine.Resume);
            clone.Save(_folder.At("state2"), _folder.At("memory2"), resume: false);
        }

        using var grandchild = RunningGuest.Restore(_folder.Load() with { SnapshotPath = _folder.At("state2"), MemFilePath = _folder.At("memory2") });
        Finish(grandchild);
    }

    [Fact]
    public void A_Diff_laid_over_the_Full_before_it_is_the_memory_as_it_is_now()
    {
        using var guest = Start(2, new() { Machine = new() { VcpuCount = 2, TrackDirtyPages = true } });
        guest.Save(_folder.State, _folder.Memory);
        _folder.Copy("memory", "merged");
        guest.Save(_folder.State, _folder.At("merged"), SnapshotType.Diff, resume: false);
        guest.Save(_folder.State, _folder.At("now"), resume: false);
        Assert.NotEqual(File.ReadAllBytes(_folder.Memory), File.ReadAllBytes(_folder.At("now")));
        Assert.Equal(File.ReadAllBytes(_folder.At("now")), File.ReadAllBytes(_folder.At("merged")));
        using var clone = RunningGuest.Restore(_folder.Load() with { MemFilePath = _folder.At("merged") });
        Finish(clone);
    }

    [Fact]
    public void A_clone_that_tracks_its_pages_gives_a_Diff_over_what_it_came_from()
    {
        using (var guest = Start(1)) guest.Save(_folder.State, _folder.Memory, resume: false);
        using var clone = RunningGuest.Restore(_folder.Load() with { TrackDirtyPages = true });
        clone.OnLoop(clone.Machine.Resume);
        _folder.Copy("memory", "merged");
        clone.Save(_folder.At("state2"), _folder.At("merged"), SnapshotType.Diff, resume: false);
        clone.Save(_folder.At("state2"), _folder.At("now"), resume: false);
        Assert.Equal(File.ReadAllBytes(_folder.At("now")), File.ReadAllBytes(_folder.At("merged")));
    }

    [Fact]
    public void A_Diff_without_tracking_has_every_page()
    {
        using var guest = Start(1);
        guest.Save(_folder.State, _folder.Memory, SnapshotType.Diff, resume: false);
        guest.Save(_folder.State, _folder.At("now"), resume: false);
        Assert.Equal(File.ReadAllBytes(_folder.At("now")), File.ReadAllBytes(_folder.Memory));
    }

    [Fact]
    public void A_machine_whose_memory_has_a_hole_is_one_file_without_it()
    {
        using var guest = Start(1, new() { Machine = new() { MemSizeMib = 3074 } });
        guest.Save(_folder.State, _folder.Memory, resume: false);
        Assert.Equal(3074L << 20, new FileInfo(_folder.Memory).Length);
        using var clone = RunningGuest.Restore(_folder.Load());
        Finish(clone);
    }

    [Fact]
    public void Devices_without_a_driver_and_the_console_of_the_new_process_come_along()
    {
        var disk = _folder.Disk("disk", 64);
        using (var guest = Start(1, new()
        {
            Drives = [new() { DriveId = "d", IsRootDevice = false, PathOnHost = disk }],
            Vsock = new() { GuestCid = 3, UdsPath = _folder.At("v") },
            Entropy = new(),
            Balloon = new() { AmountMib = 1, DeflateOnOom = true },
        }))
        {
            guest.Save(_folder.State, _folder.Memory, resume: false);
        }

        using var clone = RunningGuest.Restore(_folder.Load() with { DriveOverrides = [("d", _folder.Disk("other", 32))], VsockUdsPath = _folder.At("w") });
        Assert.True(File.Exists(_folder.At("w")));
        Finish(clone);
        Assert.Equal("PASS\n", clone.Console);
    }

    private static RunningGuest Start(int vcpus, VmResources? resources = null)
    {
        resources ??= new() { Machine = new() { VcpuCount = vcpus, MemSizeMib = 16 } };
        if (resources.Machine.MemSizeMib == 128) resources = resources with { Machine = resources.Machine with { MemSizeMib = 16 } };
        var guest = RunningGuest.Start(FreestandingGuest.Build("counter", pvh: true, $"CPUS={vcpus}"), resources);
        guest.WaitForConsole("ready");
        return guest;
    }

    private static void Finish(RunningGuest guest)
    {
        guest.OnLoop(() =>
        {
            guest.Machine.Resume();
            guest.Machine.SendCtrlAltDel();
        });
        Assert.Equal(GuestEnd.Clean, guest.WaitForEnd().ExitCode);
        Assert.EndsWith("PASS\n", guest.Console, StringComparison.Ordinal);
    }
}
