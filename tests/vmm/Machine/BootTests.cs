using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Machine;
using Xunit;

namespace RunnerVm.Tests.Vmm.Machine;

public sealed class BootTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("runnervm-boot-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

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

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_bzImage_is_entered_at_its_64_bit_entry_point(bool compressedElsewhere)
    {
        // Not a real one: a header, and our guest's code behind it at the offsets the protocol prescribes.
        var elf = File.ReadAllBytes(FreestandingGuest.Build("hello"));
        var code = elf[0x1000..];
        var image = new byte[(5 * 512) + 0x200 + 16];
        BzImageTests.WriteHeader(image, preferred: compressedElsewhere ? 0x100_0000ul : 0x10_0000, initSize: 0x10_0000);
        // jmp to where the ELF's code is put by this test: it has no loader of its own, so a short stub copies it.
        var stub = new byte[0x200 + 64];
        byte[] copyAndJump =
        [
            0x48, 0x89, 0xf3,                               // mov rbx, rsi: the zero page
            0x48, 0x8d, 0x35, 0x2f, 0, 0, 0,                // lea rsi, [rip + 0x2f]: behind this stub
            0xbf, 0, 0, 0x40, 0,                            // mov edi, 4 MiB
            0xb9, .. BitConverter.GetBytes(code.Length),    // mov ecx, length
            0xf3, 0xa4,                                     // rep movsb
            0x48, 0x89, 0xde,                               // mov rsi, rbx
            0xba, 0xf8, 3, 0, 0,                            // mov edx, 0x3f8
            0xb0, (byte)'b', 0xee,                          // mov al, 'b'; out dx, al
            0xb0, 0xfe, 0xe6, 0x64,                         // mov al, 0xfe; out 0x64, al
            0xf4,                                           // hlt
        ];
        copyAndJump.CopyTo(stub, 0x200);
        var path = Path.Combine(_folder, "bzImage");
        File.WriteAllBytes(path, [.. image[..(5 * 512)], .. stub, .. code]);
        var (end, console) = RunningGuest.Run(path);
        Assert.Equal("b", console);
        Assert.Equal(GuestEnd.Clean, end.ExitCode);
    }

    [Theory]
    [InlineData(false, 128, "0x0 0x9fc00 1\n0x9fc00 0x60400 2\n0x100000 0x7f00000 1\nPASS\n")]
    [InlineData(true, 128, "0x0 0x9fc00 1\n0x9fc00 0x60400 2\n0x100000 0x7f00000 1\nPASS\n")]
    [InlineData(false, 4096, "0x0 0x9fc00 1\n0x9fc00 0x60400 2\n0x100000 0xbff00000 1\n0x100000000 0x40000000 1\nPASS\n")]
    [InlineData(true, 4096, "0x0 0x9fc00 1\n0x9fc00 0x60400 2\n0x100000 0xbff00000 1\n0x100000000 0x40000000 1\nPASS\n")]
    public void The_memory_map_leaves_out_tables_and_the_hole_below_4_GiB(bool pvh, int mib, string map)
    {
        var resources = new VmResources { Machine = new() { MemSizeMib = mib } };
        Assert.Equal(map, RunningGuest.Run(FreestandingGuest.Build("memory_map", pvh), resources).Console);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Command_line_and_initrd_arrive_whole(bool pvh)
    {
        var initrd = Path.Combine(_folder, "initrd");
        var bytes = Enumerable.Range(0, 5000).Select(static i => (byte)(i * 7)).ToArray();
        File.WriteAllBytes(initrd, bytes);
        var resources = new VmResources { BootSource = new() { KernelImagePath = "", InitrdPath = initrd, BootArgs = " console=ttyS0 quiet -- three words " } };
        var console = RunningGuest.Run(FreestandingGuest.Build("boot_words", pvh), resources).Console;
        Assert.Equal($"[console=ttyS0 quiet -- three words]\ninitrd=0x7ffe000\nsum=0x{bytes.Sum(static b => (int)b):x}\nPASS\n", console);
    }

    [Fact]
    public void Several_GiB_are_promised_and_not_taken()
    {
        using var guest = RunningGuest.Start(FreestandingGuest.Build("spin"), new() { Machine = new() { MemSizeMib = 8192 } });
        guest.WaitForConsole("spinning");
        var resident = File.ReadLines("/proc/self/status").First(static line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
        Assert.InRange(long.Parse(resident.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], System.Globalization.CultureInfo.InvariantCulture), 1, 1_000_000);
    }
}
