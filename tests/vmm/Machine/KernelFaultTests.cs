using System.Buffers.Binary;
using RunnerVm.Vmm.Monitor.Boot;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Machine;
using RunnerVm.Vmm.Native.Memory;
using Xunit;

namespace RunnerVm.Tests.Vmm.Machine;

public sealed class KernelFaultTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("runnervm-kernel-").FullName;
    private readonly GuestMemory _memory = MemoryLayout.Allocate(16 << 20, hugePages: false);

    private string Path => System.IO.Path.Combine(_folder, "vmlinux");

    public void Dispose()
    {
        Directory.Delete(_folder, recursive: true);
        _memory.Dispose();
    }

    [Fact]
    public void A_missing_file_a_directory_and_an_empty_file_are_named()
    {
        Assert.Equal($"kernel_image_path: Cannot open {Path}: no such file or directory (ENOENT). Name a file that this process can read.", Fault());
        Assert.Equal($"kernel_image_path: {_folder} is not a file. Name a regular file.", Assert.Throws<VmmFaultException>(() => Kernel.Load(_folder, _memory)).Message);
        File.WriteAllBytes(Path, []);
        Assert.Equal($"kernel_image_path: {Path} is empty. Name the file itself.", Fault());
    }

    [Fact]
    public void What_is_no_kernel_is_said_to_be_none()
    {
        File.WriteAllText(Path, "#!/bin/sh\n");
        Assert.Equal($"kernel_image_path: {Path} is neither an ELF file (vmlinux) nor a bzImage. Name a Linux kernel for x86-64.", Fault());
    }

    [Theory]
    [InlineData(4, 1, "no executable for x86-64")] // 32-bit
    [InlineData(18, 183, "no executable for x86-64")] // ARM
    [InlineData(16, 3, "no executable for x86-64")] // Shared object
    [InlineData(56, 0, "0 program headers")]
    [InlineData(54, 55, "program headers of 55 bytes")]
    [InlineData(24, 0, "begins at 0x", false)]
    [InlineData(64, 0, "no segment to load")]
    [InlineData(90, 0, "below 1 MiB")] // The third byte of p_paddr: 0x10 of 0x100000.
    [InlineData(92, 0xff, "outside the guest's memory")]
    [InlineData(111, 0xff, "outside the guest's memory")] // p_memsz near 2^64.
    [InlineData(96, 0xff, "longer in the file than in memory")]
    [InlineData(74, 0xff, "is cut off")] // p_offset
    public void A_broken_header_is_named(int offset, byte value, string problem, bool whole = true)
    {
        var elf = Elf();
        elf[offset] = value;
        if (!whole) elf.AsSpan(24, 8).Clear();
        File.WriteAllBytes(Path, elf);
        Assert.Contains(problem, Fault(), StringComparison.Ordinal);
    }

    [Fact]
    public void Wherever_it_is_cut_off_that_is_a_fault_and_nothing_else()
    {
        var elf = Elf();
        for (var length = 1; length < elf.Length; length++)
        {
            File.WriteAllBytes(Path, elf[..length]);
            Assert.Contains(Path, Fault(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Whatever_a_header_says_it_loads_or_faults()
    {
        var random = new Random(20261124);
        var (loaded, refused) = (0, 0);
        for (var i = 0; i < 5000; i++)
        {
            var elf = Elf();
            for (var n = random.Next(1, 4); n > 0; n--) elf[random.Next(4, 120)] = (byte)random.Next(256);
            File.WriteAllBytes(Path, elf);
            try
            {
                Kernel.Load(Path, _memory);
                loaded++;
            }
            catch (VmmFaultException)
            {
                refused++;
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{loaded} loaded, {refused} refused");
        Assert.True(loaded > 100 && refused > 100, $"{loaded} loaded, {refused} refused");
    }

    [Fact]
    public void An_initrd_without_room_is_named()
    {
        File.WriteAllBytes(Path, new byte[15 << 20]);
        var fault = Assert.Throws<VmmFaultException>(() => Initrd.Load(Path, _memory, new(BootProtocol.Pvh, 0x10_0000, 0x20_0000)));
        Assert.StartsWith($"initrd_path: {Path} has 15728640 bytes", fault.Message, StringComparison.Ordinal);
        Assert.EndsWith("Raise mem_size_mib or shrink it.", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_command_line_that_is_too_long_names_boot_args()
    {
        var line = CommandLine.Compose(new() { KernelImagePath = "", BootArgs = new string('a', 2000) }, [], [VirtioSlot.Number(0), VirtioSlot.Number(1)]);
        var fault = Assert.Throws<VmmFaultException>(() => CommandLine.Write(_memory, line, new(BootProtocol.Pvh, 0, 0)));
        Assert.Equal("boot_args: the command line has 2070 characters with what is added for root and devices; the kernel takes 2047. Shorten it.", fault.Message);
    }

    [Theory]
    [InlineData("a=b", false, null, "a=b root=/dev/vda rw virtio_mmio.device=4K@0xc0001000:5")]
    [InlineData(" a=b  -- x", true, null, "a=b  root=/dev/vda ro virtio_mmio.device=4K@0xc0001000:5 -- x")]
    [InlineData("a=b", true, "0eaa91a0-01", "a=b root=PARTUUID=0eaa91a0-01 ro virtio_mmio.device=4K@0xc0001000:5")]
    public void The_command_line_names_root_and_devices(string words, bool readOnly, string? partuuid, string line)
    {
        var root = new Drive { DriveId = "r", IsRootDevice = true, IsReadOnly = readOnly, Partuuid = partuuid };
        Assert.Equal(line, CommandLine.Compose(new() { KernelImagePath = "", BootArgs = words }, [root], [VirtioSlot.Number(0)]));
    }

    [Fact]
    public void A_command_line_with_a_line_break_is_refused() =>
        Assert.Throws<VmmFaultException>(() => CommandLine.Compose(new() { KernelImagePath = "", BootArgs = "a\nb" }, [], []));

    /// <summary>One segment of 16 bytes at 1 MiB.</summary>
    private static byte[] Elf()
    {
        var elf = new byte[136];
        byte[] start = [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1];
        start.CopyTo(elf, 0);
        Word(16, 2);
        Word(18, 62);
        Quad(24, 0x10_0000);
        Quad(32, 64);
        Word(54, 56);
        Word(56, 1);
        Word(64, 1); // PT_LOAD
        Quad(72, 120);
        Quad(88, 0x10_0000);
        Quad(96, 16);
        Quad(104, 32);
        return elf;

        void Word(int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(elf.AsSpan(offset), value);

        void Quad(int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(elf.AsSpan(offset), value);
    }

    private string Fault() => Assert.Throws<VmmFaultException>(() => Kernel.Load(Path, _memory)).Message;
}
