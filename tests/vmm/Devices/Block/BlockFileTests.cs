using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Block;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Block;

/// <summary>The file behind a disk: what it may be, and what it may become.</summary>
public sealed class BlockFileTests : BlockDisks
{
    [Fact]
    public void The_configuration_space_shows_the_limits_and_a_rest_of_a_sector_is_not_shown()
    {
        var (disk, path) = Disk(sectors: 8);
        File.WriteAllBytes(path, new byte[(9 * 512) + 511]);
        Device(disk).Update(null, null);
        Assert.Equal(9ul, disk.ReadConfig64(0));
        Assert.Equal(254u, disk.ReadConfig32(12));
        Assert.Equal(512u, disk.ReadConfig32(20));
        Assert.Equal(32u, disk.ReadConfig32(40));
        Assert.Equal([1], disk.ReadConfig(56, 1));
        Assert.Equal([0, 0], disk.ReadConfig(60, 2));
        disk.WriteConfig(0, 1);
        Assert.Equal(9ul, disk.ReadConfig64(0));
    }

    [Fact]
    public void Another_file_while_running_changes_content_capacity_and_tells_the_driver()
    {
        var (disk, _) = Disk(sectors: 8);
        Request(disk, In, 0, disk.Reserve(512));
        disk.TakeInterrupt();
        var other = Path.Combine(Folder, "replacement");
        File.WriteAllBytes(other, Pattern(16 * 512));
        disk.Transport.WithDevice(() => Device(disk).Update(other, null));
        Assert.Equal(2u, disk.TakeInterrupt());
        Assert.Equal(16ul, disk.ReadConfig64(0));
        var buffer = disk.Reserve(512);
        Assert.Equal((Ok, 513u), Request(disk, In, 15, buffer));
        Assert.Equal(Pattern(16 * 512)[(15 * 512)..], disk.Bytes(buffer));

        var refused = Assert.Throws<VmmFaultException>(() => disk.Transport.WithDevice(() => Device(disk).Update(Folder, null)));
        Assert.Contains("directory", refused.Message, StringComparison.Ordinal);
        Assert.Equal((Ok, 513u), Request(disk, In, 15, buffer));
    }

    [Fact]
    public void A_file_that_became_shorter_completes_with_ioerr()
    {
        var (disk, path) = Disk(sectors: 8);
        using (var file = File.OpenWrite(path)) file.SetLength(3 * 512);
        Assert.Equal((IoError, 513u), Request(disk, In, 2, disk.Reserve(1024)));
        Assert.Equal(1, Device(disk).Counters.Failures);
    }

    [Fact]
    public void What_the_host_refuses_to_write_completes_with_ioerr()
    {
        var (disk, path) = Disk(sectors: 8);
        Assert.SkipWhen(Seal(path) != 0, "chattr +i is not possible here.");
        try
        {
            // A file that may not be written, though it was opened for it: fallocate says EPERM.
            Assert.Equal((IoError, 1u), Request(disk, Discard, 0, disk.Place(Range(0, 8))));
            Assert.Equal(1, Device(disk).Counters.Failures);
        }
        finally
        {
            Seal(path, "-i");
        }

        static int Seal(string path, string flag = "+i")
        {
            using var chattr = System.Diagnostics.Process.Start(
                new System.Diagnostics.ProcessStartInfo("chattr", [flag, path]) { RedirectStandardError = true })!;
            chattr.WaitForExit();
            return chattr.ExitCode;
        }
    }

    [Theory]
    [InlineData("missing", "no such file or directory (ENOENT)")]
    [InlineData(".", "directory")]
    [InlineData("/dev/null", "block device")]
    public void A_path_that_is_no_disk_is_refused_with_what_to_do(string path, string reason)
    {
        foreach (var readOnly in new[] { true, false })
        {
            var fault = Assert.Throws<VmmFaultException>(() => new BlockDevice(
                new() { DriveId = "d", IsRootDevice = false, IsReadOnly = readOnly, PathOnHost = Path.Combine(Folder, path) }));
            Assert.StartsWith("Drive d, path_on_host: Cannot ", fault.Message, StringComparison.Ordinal);
            Assert.Contains(reason, fault.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_named_pipe_does_not_hang_the_monitor()
    {
        var pipe = Path.Combine(Folder, "pipe");
        using var mkfifo = System.Diagnostics.Process.Start("mkfifo", pipe);
        mkfifo.WaitForExit();
        var fault = Assert.Throws<VmmFaultException>(() => new BlockDevice(new() { DriveId = "d", IsRootDevice = false, IsReadOnly = true, PathOnHost = pipe }));
        Assert.Contains("regular file", fault.Message, StringComparison.Ordinal);
    }
}
