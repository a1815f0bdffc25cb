using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Machine;
using Xunit;

namespace RunnerVm.Tests.Vmm.Machine;

public sealed class HostileGuestTests
{
    private const int Entropy = 4, Balloon = 5;

    [Theory]
    [InlineData(1, "entropy, queue 0, desc.next: a chain of more than 16 descriptors.")]
    [InlineData(2, "entropy, queue 0, desc.next: 16 in a table of 16.")]
    [InlineData(3, "entropy, queue 0, avail.ring: descriptor 65535 in a table of 16.")]
    [InlineData(4, "entropy, queue 0, avail.idx: 1001 is 1001 requests ahead of 0 in a ring of 16.")]
    [InlineData(5, "entropy, queue 0, desc.addr: 16 bytes at 0xc0001000, outside the guest's memory.")]
    [InlineData(6, "entropy, queue 0, desc.addr: 4294967295 bytes at 0x*, outside the guest's memory.")]
    [InlineData(7, "entropy, queue 0, desc.flags: an indirect descriptor in an indirect table.")]
    [InlineData(8, "entropy, queue 0, desc.next: a chain that loops in an indirect table of 4.")]
    [InlineData(9, "entropy, queue 0, used: 134 bytes at 0x7fffffff*, outside the guest's memory.")]
    [InlineData(10, "entropy, queue 0, desc.flags: a readable descriptor after a writable one.")]
    public void A_guest_that_breaks_a_ring_ends_its_machine_with_device_queue_and_field(int trick, string sentence)
    {
        var (end, console) = RunningGuest.Run(Guest(Entropy, trick), new() { Entropy = new() });
        Assert.DoesNotContain("survived", console, StringComparison.Ordinal);
        Assert.Equal(GuestEnd.DeviceBroken, end.ExitCode);
        Assert.Matches($"^{System.Text.RegularExpressions.Regex.Escape(sentence).Replace("\\*", "[0-9a-f]+", StringComparison.Ordinal)}$", end.Sentence);
    }

    [Fact]
    public void It_is_so_for_other_devices_too()
    {
        var resources = new VmResources { Balloon = new() { AmountMib = 0, DeflateOnOom = false } };
        var (end, _) = RunningGuest.Run(Guest(Balloon, 1), resources);
        Assert.Equal("balloon, queue 0, desc.next: a chain of more than 16 descriptors.", end.Sentence);
    }

    private static string Guest(int type, int trick) => FreestandingGuest.Build("hostile", pvh: false, $"TYPE={type}", $"TRICK={trick}");
}
