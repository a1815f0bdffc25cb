using System.Buffers.Binary;
using RunnerVm.Tests.Vmm.Machine;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Snapshots;
using Xunit;

namespace RunnerVm.Tests.Vmm.Snapshots;

/// <summary>A state file that was cut, changed, or made up: always a sentence, never a machine that is half one and never a crash.</summary>
public sealed class HostileStateTests : IDisposable
{
    private const int HeaderBytes = 24;
    private readonly SnapshotFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_cut_off_anywhere_is_refused()
    {
        var whole = Save();
        for (var length = 0; length < whole.Length; length += length < 100 ? 1 : 97) Refused(whole[..length]);
        Refused([.. whole, 0]);
    }

    [Fact]
    public void A_bit_that_flipped_anywhere_is_noticed()
    {
        var whole = Save();
        var random = new Random(1);
        for (var i = 0; i < 500; i++)
        {
            var changed = whole.ToArray();
            changed[random.Next(changed.Length)] ^= (byte)(1 << random.Next(8));
            Refused(changed);
        }
    }

    [Fact]
    public void Records_of_an_attacker_who_knows_the_checksum_make_a_sentence_or_a_guest_of_his()
    {
        var whole = Save();
        var random = new Random(2);
        var (refused, restored) = (0, 0);
        for (var i = 0; i < 80; i++)
        {
            var records = whole.AsSpan(HeaderBytes).ToArray();
            Damage(records, random);
            File.WriteAllBytes(_folder.State, StateFile.Seal(records));
            try
            {
                using var clone = RunningGuest.Restore(_folder.Load() with { VsockUdsPath = _folder.At("w") });
                clone.OnLoop(clone.Machine.Resume);
                restored++;
            }
            catch (VmmFaultException fault)
            {
                Assert.True(fault.Message.Length is > 20 and < 600, fault.Message);
                refused++;
            }

            Assert.False(File.Exists(_folder.At("w")));
        }

        Assert.True(refused > 10 && restored > 10, $"{refused} refused, {restored} restored");
    }

    [Fact]
    public void Records_cut_off_anywhere_are_refused()
    {
        var whole = Save();
        for (var length = 0; length < whole.Length - HeaderBytes; length += 307)
            Refused(StateFile.Seal(whole.AsSpan(HeaderBytes, length)));
    }

    [Fact]
    public void A_newer_version_says_so()
    {
        var whole = Save();
        var records = whole.AsSpan(HeaderBytes).ToArray();
        records[1] = 9;
        Assert.Contains("has Configuration in version 9, and this monitor knows up to 1.", Refused(StateFile.Seal(records)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4096)]
    [InlineData((16 << 20) - 1)]
    [InlineData((16 << 20) + 4096)]
    public void Memory_of_another_length_is_refused(long length)
    {
        Save();
        using (var file = File.OpenHandle(_folder.Memory, FileMode.Open, FileAccess.Write)) RandomAccess.SetLength(file, length);
        var fault = Assert.Throws<VmmFaultException>(() => RunningGuest.Restore(_folder.Load()));
        Assert.Equal($"mem_backend: {_folder.Memory} has {length} bytes and the machine {16 << 20} bytes of memory. Give the file that was written with the state.", fault.Message);
    }

    [Fact]
    public void What_is_not_here_or_not_in_it_is_named()
    {
        Save();
        Assert.StartsWith($"mem_backend: Cannot open {_folder.At("absent")}", Fault(_folder.Load() with { MemFilePath = _folder.At("absent") }), StringComparison.Ordinal);
        Assert.Equal("drive_overrides: the snapshot has no drive x. It has: d.", Fault(_folder.Load() with { DriveOverrides = [("x", "y")] }));
        Assert.Equal("network_overrides: the snapshot has no interface x. It has: none.", Fault(_folder.Load() with { NetworkOverrides = [("x", "y")] }));
        Assert.StartsWith($"path_on_host: Cannot open {_folder.At("gone")}", Fault(_folder.Load() with { DriveOverrides = [("d", _folder.At("gone"))] }), StringComparison.Ordinal);
        Assert.StartsWith("huge_pages: memory that is mapped from a file", Fault(_folder.Load() with { HugePages = HugePages.TwoMib }), StringComparison.Ordinal);
        File.WriteAllText(_folder.At("v"), "in the way");
        Assert.StartsWith($"uds_path: {_folder.At("v")} exists already.", Fault(_folder.Load()), StringComparison.Ordinal);
        File.Delete(_folder.At("v"));
        // And nothing of all that is in the way of one that is right.
        using var clone = RunningGuest.Restore(_folder.Load());
        Assert.True(clone.Machine.Paused);
    }

    /// <summary>A machine with one of each, and drivers for the disk and vsock.</summary>
    private byte[] Save()
    {
        using var guest = RunningGuest.Start(FreestandingGuest.Build("traffic"), new()
        {
            Machine = new() { MemSizeMib = 16 },
            Drives = [new() { DriveId = "d", IsRootDevice = false, PathOnHost = _folder.Disk("disk", 64) }],
            Vsock = new() { GuestCid = 3, UdsPath = _folder.At("v") },
            Balloon = new() { AmountMib = 1, DeflateOnOom = false, StatsPollingIntervalS = 1 },
            Entropy = new(),
        });
        guest.WaitForConsole("ready");
        guest.Save(_folder.State, _folder.Memory, resume: false);
        return File.ReadAllBytes(_folder.State);
    }

    private static void Damage(byte[] records, Random random)
    {
        for (var changes = random.Next(1, 4); changes > 0; changes--)
        {
            var at = random.Next(records.Length - sizeof(ulong));
            switch (random.Next(4))
            {
                case 0: records[at] ^= (byte)(1 << random.Next(8)); break;
                case 1: records[at] = (byte)random.Next(256); break;
                case 2: BinaryPrimitives.WriteInt32LittleEndian(records.AsSpan(at), random.Next(2) == 0 ? int.MaxValue : -1); break;
                default: BinaryPrimitives.WriteUInt64LittleEndian(records.AsSpan(at), (ulong)random.NextInt64()); break;
            }
        }
    }

    private string Refused(byte[] state)
    {
        File.WriteAllBytes(_folder.State, state);
        var message = Fault(_folder.Load());
        Assert.StartsWith("snapshot_path: ", message, StringComparison.Ordinal);
        return message;
    }

    private static string Fault(SnapshotLoad load) => Assert.Throws<VmmFaultException>(() => RunningGuest.Restore(load).Dispose()).Message;
}
