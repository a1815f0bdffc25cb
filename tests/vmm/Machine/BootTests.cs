using RunnerVm.Vmm.Monitor.Machine;
using Xunit;

namespace RunnerVm.Tests.Vmm.Machine;

public sealed class BootTests
{
    [Fact]
    public void An_ELF_guest_boots_by_the_64_bit_Linux_protocol_and_is_heard_on_the_serial_port()
    {
        var (end, console) = RunningGuest.Run(FreestandingGuest.Build("hello"));
        Assert.Equal("Hello from ring 0\nby the 64-bit Linux boot protocol\nboot=0x7000\n", console);
        Assert.Equal(new GuestEnd(0, "The guest reset the machine (i8042 reset line)."), end);
    }

    [Fact]
    public void An_ELF_guest_with_the_note_boots_by_PVH()
    {
        var (end, console) = RunningGuest.Run(FreestandingGuest.Build("hello", pvh: true));
        Assert.Equal("Hello from ring 0\nby PVH\nboot=0x6000\n", console);
        Assert.Equal(GuestEnd.Clean, end.ExitCode);
    }
}
