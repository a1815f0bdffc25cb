using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Memory;
using Xunit;

namespace RunnerVm.Tests.Vmm.Native;

public sealed class MappedRegionTests
{
    [Fact]
    public void What_is_written_is_read_at_any_alignment()
    {
        using var region = MappedRegion.Anonymous(4096);
        region.Write(4091, [1, 2, 3, 4, 5]);
        Assert.Equal(0x05040302u, region.Read<uint>(4092));
        Assert.Equal(0x04030201u, region.Read<uint>(4091));
    }

    [Theory]
    [InlineData(4093UL)]
    [InlineData(4096UL)]
    [InlineData(ulong.MaxValue)]
    [InlineData(ulong.MaxValue - 3)]
    public void No_access_leaves_the_region(ulong offset)
    {
        using var region = MappedRegion.Anonymous(4096);
        Assert.Throws<ArgumentOutOfRangeException>(() => region.Read<uint>((nuint)offset));
        Assert.Throws<ArgumentOutOfRangeException>(() => region.Write((nuint)offset, new byte[4]));
    }

    [Fact]
    public void A_region_that_is_gone_is_not_touched()
    {
        var region = MappedRegion.Anonymous(4096);
        region.Dispose();
        region.Dispose();
        Assert.Throws<ObjectDisposedException>(() => region.Read<byte>(0));
    }

    [Fact]
    public void A_failed_call_tells_attempt_object_and_errno()
    {
        var problem = Assert.Throws<LinuxException>(() => FileDescriptor.Open("/nonexistent/kvm", LibC.O_RDWR, _ => "Make it."));
        Assert.Equal("Cannot open /nonexistent/kvm: no such file or directory (ENOENT). Make it.", problem.Message);
        Assert.Equal(LibC.ENOENT, problem.Errno);
    }

    [Fact]
    public void A_descriptor_is_closed_once_and_not_while_borrowed()
    {
        var file = FileDescriptor.Open("/dev/null", LibC.O_RDWR);
        int fd;
        using (var borrowed = file.Borrow())
        {
            fd = borrowed.Fd;
            file.Dispose();
            Assert.Equal("/dev/null", new FileInfo($"/proc/self/fd/{fd}").LinkTarget);
        }

        Assert.NotEqual("/dev/null", new FileInfo($"/proc/self/fd/{fd}").LinkTarget);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(128)]
    public void A_guests_memory_begins_where_a_page_of_2_MiB_can(int mebibytes)
    {
        using var region = MappedRegion.OfGuest((nuint)mebibytes << 20, hugePages: false);
        Assert.Equal(0ul, region.Address % (2 << 20));
        region.Write(region.Length - 1, [7]);
        Assert.Equal(7, region.Read<byte>(region.Length - 1));
        Assert.Equal(0, region.Read<byte>(0));
    }
}
