using System.Buffers.Binary;
using RunnerVm.Vmm.Monitor.Boot;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Machine;
using RunnerVm.Vmm.Native.Memory;
using Xunit;

namespace RunnerVm.Tests.Vmm.Machine;

public sealed class BzImageTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();
    private readonly GuestMemory _memory = MemoryLayout.Allocate(64 << 20, hugePages: false);

    public void Dispose()
    {
        File.Delete(_path);
        _memory.Dispose();
    }

    /// <summary>A setup header of protocol 2.15 with five sectors of setup.</summary>
    internal static void WriteHeader(Span<byte> image, ulong preferred, uint initSize)
    {
        image[0x1f1] = 4;
        BinaryPrimitives.WriteUInt16LittleEndian(image[0x1fe..], 0xaa55);
        image[0x201] = 0x66;
        "HdrS"u8.CopyTo(image[0x202..]);
        BinaryPrimitives.WriteUInt16LittleEndian(image[0x206..], 0x20f);
        image[0x211] = 1;
        BinaryPrimitives.WriteUInt16LittleEndian(image[0x236..], 1);
        BinaryPrimitives.WriteUInt32LittleEndian(image[0x238..], 2047);
        BinaryPrimitives.WriteUInt64LittleEndian(image[0x258..], preferred);
        BinaryPrimitives.WriteUInt32LittleEndian(image[0x260..], initSize);
    }

    [Fact]
    public void The_protected_mode_kernel_goes_to_1_MiB_and_the_header_to_the_zero_page()
    {
        var image = new byte[4096];
        WriteHeader(image, 0x100_0000, 0x200_0000);
        image[5 * 512] = 0x77;
        File.WriteAllBytes(_path, image);
        var kernel = Kernel.Load(_path, _memory);
        Assert.Equal((BootProtocol.Linux64, 0x10_0200ul, 0x300_0000ul), (kernel.Protocol, kernel.Entry, kernel.End));
        Assert.Equal(0x77, _memory.Read<byte>(new(0x10_0000)));

        ZeroPage.Write(_memory, kernel, new Initrd(0x3f0_0000, 1234));
        var page = new GuestAddress(MemoryLayout.ZeroPage);
        Assert.Equal(0x20f, _memory.Read<ushort>(page + 0x206));
        Assert.Equal(0xff, _memory.Read<byte>(page + 0x210));
        Assert.Equal(0x3f0_0000u, _memory.Read<uint>(page + 0x218));
        Assert.Equal(1234u, _memory.Read<uint>(page + 0x21c));
        Assert.Equal(0x20000u, _memory.Read<uint>(page + 0x228));
        Assert.Equal(0x100_0000ul, _memory.Read<ulong>(page + 0x258));
    }

    [Fact]
    public void One_that_unpacks_beyond_memory_is_refused()
    {
        var image = new byte[4096];
        WriteHeader(image, 0x100_0000, 0x400_0000);
        File.WriteAllBytes(_path, image);
        var fault = Assert.Throws<VmmFaultException>(() => Kernel.Load(_path, _memory));
        Assert.Equal($"kernel_image_path: {_path} needs memory up to 0x5000000 to unpack itself; the guest's ends at 0x4000000. Raise mem_size_mib.", fault.Message);
    }

    [Theory]
    [InlineData(0x206, 0x0b, "without a 64-bit entry point (boot protocol 2.11)")]
    [InlineData(0x236, 0, "without a 64-bit entry point")]
    [InlineData(0x1f1, 60, "is cut off")]
    public void A_wrong_header_is_named(int offset, byte value, string problem)
    {
        var image = new byte[4096];
        WriteHeader(image, 0x100_0000, 0x10_0000);
        image[offset] = value;
        File.WriteAllBytes(_path, image);
        var fault = Assert.Throws<VmmFaultException>(() => Kernel.Load(_path, _memory));
        Assert.Contains(problem, fault.Message, StringComparison.Ordinal);
    }
}
