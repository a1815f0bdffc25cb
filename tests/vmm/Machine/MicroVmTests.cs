using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Machine;
using Xunit;

namespace RunnerVm.Tests.Vmm.Machine;

public sealed class MicroVmTests
{
    [Fact]
    public void Timer_serial_port_and_keyboard_interrupt()
    {
        var (_, console) = RunningGuest.Run(FreestandingGuest.Build("interrupts"));
        Assert.Equal("pit ok\nlapic ok\nserial ok\nkeyboard ok\nPASS\n", console);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(8)]
    [InlineData(32)]
    public void Every_vCPU_starts_by_INIT_and_SIPI_and_knows_its_number(int vcpus)
    {
        var resources = new VmResources { Machine = new() { VcpuCount = vcpus } };
        var (_, console) = RunningGuest.Run(FreestandingGuest.Build("processors", pvh: true, $"CPUS={vcpus}"), resources);
        Assert.Equal($"seen=0x{(uint)((1ul << vcpus) - 1):x}\nPASS\n", console);
    }

    [Fact]
    public void A_triple_fault_is_a_reset()
    {
        var (end, console) = RunningGuest.Run(FreestandingGuest.Build("triple_fault"));
        Assert.Equal("falling\n", console);
        Assert.Equal(new GuestEnd(GuestEnd.Clean, "The guest reset the machine (triple fault on vCPU 0)."), end);
    }

    [Fact]
    public void The_sleep_register_switches_the_machine_off()
    {
        var (end, console) = RunningGuest.Run(FreestandingGuest.Build("sleep_register"));
        Assert.Equal("still here\n", console);
        Assert.Equal(GuestEnd.Off, end);
    }

    [Fact]
    public void The_boot_timer_tells_once_how_long_it_took()
    {
        var told = new List<TimeSpan>();
        using var guest = RunningGuest.Start(FreestandingGuest.Build("boot_timer"), options: new(told.Add));
        guest.WaitForEnd();
        Assert.InRange(Assert.Single(told), TimeSpan.Zero, RunningGuest.Patience);
    }

    [Fact]
    public void Ctrl_Alt_Del_reaches_the_guests_keyboard()
    {
        using var guest = RunningGuest.Start(FreestandingGuest.Build("keyboard"));
        guest.WaitForConsole("ready");
        guest.OnLoop(guest.Machine.SendCtrlAltDel);
        guest.WaitForEnd();
        Assert.Equal("ready\n0x14 0x11 0xe0 0x71 0xe0 0xf0 0x71 0xf0 0x11 0xf0 0x14 PASS\n", guest.Console);
    }

    [Fact]
    public void Keys_that_nobody_takes_are_refused_in_the_end()
    {
        using var guest = RunningGuest.Start(FreestandingGuest.Build("spin"));
        guest.WaitForConsole("spinning");
        guest.OnLoop(guest.Machine.SendCtrlAltDel);
        Assert.Throws<VmmFaultException>(() => guest.OnLoop(guest.Machine.SendCtrlAltDel));
    }

    [Theory]
    [InlineData("OTHERS")]
    [InlineData("HALT")]
    public void Hundreds_of_pauses_find_a_guest_that_spins_and_one_that_sleeps(string define)
    {
        var resources = new VmResources { Machine = new() { VcpuCount = 2 } };
        using var guest = RunningGuest.Start(FreestandingGuest.Build("spin", pvh: true, define), resources);
        guest.WaitForConsole("spinning");
        for (var i = 0; i < 300; i++)
        {
            guest.OnLoop(guest.Machine.Pause);
            Assert.True(guest.Machine.Paused);
            guest.OnLoop(guest.Machine.Resume);
        }

        guest.OnLoop(guest.Machine.Pause);
        guest.OnLoop(guest.Machine.Pause);
        guest.OnLoop(guest.Machine.Resume);
        Assert.False(guest.Machine.Paused);
    }

    [Fact]
    public void A_paused_guest_does_nothing_and_goes_on_where_it_was()
    {
        using var guest = RunningGuest.Build(FreestandingGuest.Build("port_writes", pvh: false, "COUNT=2000"));
        Assert.True(guest.Machine.Paused);
        guest.OnLoop(guest.Machine.Resume);
        for (var i = 0; i < 20 && !guest.Ended; i++)
        {
            guest.OnLoop(guest.Machine.Pause);
            var exits = guest.Machine.Exits;
            guest.OnLoop(static () => { });
            Assert.Equal(exits, guest.Machine.Exits);
            guest.OnLoop(guest.Machine.Resume);
        }

        guest.WaitForEnd();
        Assert.Equal("begin\nPASS\n", guest.Console);
        // The writes, six and five letters, the reset line: none lost, none done twice.
        Assert.Equal(2000 + 11 + 1, guest.Machine.Exits);
    }

    [Fact]
    public void More_memory_than_there_are_addresses_names_the_field()
    {
        FreestandingGuest.RequireKvm();
        var fault = Assert.Throws<VmmFaultException>(() =>
            RunningGuest.Build(FreestandingGuest.Build("hello"), new() { Machine = new() { MemSizeMib = 1L << 30 } }));
        Assert.StartsWith("mem_size_mib: 1073741824 MiB cannot be had. Cannot map", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Huge_pages_that_the_host_does_not_have_are_asked_for_by_name()
    {
        FreestandingGuest.RequireKvm();
        Assert.SkipUnless(File.ReadAllText("/proc/meminfo").Contains("HugePages_Free:        0", StringComparison.Ordinal), "This host has huge pages.");
        var fault = Assert.Throws<VmmFaultException>(() =>
            RunningGuest.Build(FreestandingGuest.Build("hello"), new() { Machine = new() { HugePages = HugePages.TwoMib } }));
        Assert.Contains("echo 64 > /proc/sys/vm/nr_hugepages", fault.Message, StringComparison.Ordinal);
    }
}
