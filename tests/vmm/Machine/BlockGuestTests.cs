using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Machine;
using Xunit;

namespace RunnerVm.Tests.Vmm.Machine;

public sealed class BlockGuestTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("vmm-block-guest-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void A_guest_writes_flushes_reads_and_discards_and_sees_another_file_while_it_runs()
    {
        var path = Disk("disk", 64, 0x55);
        using var guest = RunningGuest.Start(FreestandingGuest.Build("block"), new()
        {
            Drives = [new() { DriveId = "disk", IsRootDevice = false, PathOnHost = path, CacheType = CacheType.Writeback }],
        });
        guest.WaitForConsole("ready");
        var content = File.ReadAllBytes(path);
        Assert.All(content[..(8 * 512)], static b => Assert.Equal(0x55, b));
        Assert.All(content[(8 * 512)..(14 * 512)], static b => Assert.Equal(0, b));
        Assert.All(content[(14 * 512)..(16 * 512)], static b => Assert.Equal((byte)'d', b));
        Assert.All(content[(16 * 512)..], static b => Assert.Equal(0x55, b));

        guest.OnLoop(() => guest.Machine.UpdateDrive("disk", Disk("other", 100, 0x77), null));
        var end = guest.WaitForEnd();
        Assert.EndsWith("ready\nsectors=0x64\nbyte=0x77\nPASS\n", guest.Console, StringComparison.Ordinal);
        Assert.Equal(GuestEnd.Clean, end.ExitCode);
    }

    private string Disk(string name, int sectors, byte fill)
    {
        var path = Path.Combine(_directory, name);
        var content = new byte[sectors * 512];
        Array.Fill(content, fill);
        File.WriteAllBytes(path, content);
        return path;
    }
}
