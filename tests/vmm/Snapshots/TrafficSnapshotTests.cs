using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using RunnerVm.Tests.Vmm.Machine;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Machine;
using Xunit;

namespace RunnerVm.Tests.Vmm.Snapshots;

/// <summary>Snapshots in the midst of a guest's traffic with a disk and with programs of the host.</summary>
public sealed class TrafficSnapshotTests : IDisposable
{
    private const int Sectors = 1 << 16;
    private const int Restores = 10;

    private readonly SnapshotFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_snapshot_under_load_restored_ten_times_loses_and_doubles_no_byte()
    {
        uint port;
        using (var guest = Start(tracks: false))
        {
            using var talk = new Talk(_folder.At("v"));
            port = talk.Port;
            talk.WaitForRounds(20);
            guest.OnLoop(guest.Machine.Pause);
            _folder.Copy("disk", "disk-then");
            guest.Save(_folder.State, _folder.Memory);
            // The machine it was taken of goes on as if nothing had been, its connections among it.
            talk.WaitForRounds(20);
            talk.End();
            Finish(guest, "disk", resets: 0);
        }

        for (var i = 0; i < Restores; i++)
        {
            var disk = _folder.Copy("disk-then", "disk-now");
            using var clone = RunningGuest.Restore(_folder.Load() with { DriveOverrides = [("d", disk)], VsockUdsPath = _folder.At($"v{i}") });
            clone.OnLoop(clone.Machine.Resume);
            using var talk = new Talk(_folder.At($"v{i}"));
            Assert.True(talk.Port > port, "A clone gave a port away that its guest may still use.");
            talk.WaitForRounds(20);
            talk.End();
            Assert.Equal("moved\n", clone.Console);
            Finish(clone, "disk-now", resets: 1);
        }
    }

    [Fact]
    public void What_the_monitor_wrote_into_memory_is_in_a_Diff()
    {
        using var guest = Start(tracks: true);
        using var talk = new Talk(_folder.At("v"));
        guest.Save(_folder.State, _folder.At("merged"));
        for (var i = 0; i < 5; i++)
        {
            talk.WaitForRounds(5);
            // In one turn of the loop: devices go on while the processors are paused, and what the host sends reaches the memory.
            guest.OnLoop(() =>
            {
                guest.Machine.Pause();
                guest.Machine.CreateSnapshot(new() { SnapshotPath = _folder.State, MemFilePath = _folder.At("merged"), SnapshotType = SnapshotType.Diff }, guest.Resources);
                guest.Machine.CreateSnapshot(new() { SnapshotPath = _folder.At("state-now"), MemFilePath = _folder.At("now") }, guest.Resources);
                guest.Machine.Resume();
            });
            Assert.True(File.ReadAllBytes(_folder.At("now")).AsSpan().SequenceEqual(File.ReadAllBytes(_folder.At("merged"))), $"Diff {i} is not all that was written.");
        }

        talk.End();
        Finish(guest, "disk", resets: 0);
    }

    [Fact]
    public void A_disk_of_another_size_is_told_to_the_driver()
    {
        using (var guest = RunningGuest.Start(FreestandingGuest.Build("block"), Block(_folder.Disk("disk", 64))))
        {
            guest.WaitForConsole("ready");
            guest.Save(_folder.State, _folder.Memory, resume: false);
        }

        var other = _folder.Disk("other", 100);
        using (var file = File.OpenHandle(other, FileMode.Open, FileAccess.Write)) RandomAccess.Write(file, Enumerable.Repeat((byte)0x77, 100 * 512).ToArray(), 0);
        using var clone = RunningGuest.Restore(_folder.Load() with { DriveOverrides = [("d", other)] });
        clone.OnLoop(clone.Machine.Resume);
        clone.WaitForEnd();
        Assert.Equal("sectors=0x64\nbyte=0x77\nPASS\n", clone.Console);
    }

    private static VmResources Block(string path) => new()
    {
        Machine = new() { MemSizeMib = 16 },
        Drives = [new() { DriveId = "d", IsRootDevice = false, PathOnHost = path, CacheType = CacheType.Writeback }],
    };

    private RunningGuest Start(bool tracks)
    {
        var guest = RunningGuest.Start(FreestandingGuest.Build("traffic"), new()
        {
            Machine = new() { MemSizeMib = 16, TrackDirtyPages = tracks },
            Drives = [new() { DriveId = "d", IsRootDevice = false, PathOnHost = _folder.Disk("disk", Sectors) }],
            Vsock = new() { GuestCid = 3, UdsPath = _folder.At("v") },
        });
        guest.WaitForConsole("ready");
        return guest;
    }

    /// <summary>The guest says how much it wrote, and that is what is on the disk: every sector with its number, none behind them.</summary>
    private void Finish(RunningGuest guest, string disk, int resets)
    {
        guest.OnLoop(guest.Machine.SendCtrlAltDel);
        Assert.Equal(GuestEnd.Clean, guest.WaitForEnd().ExitCode);
        var lines = guest.Console.Split('\n');
        Assert.Equal("PASS", lines[^2]);
        Assert.Equal($"resets=0x{resets}", lines[^3]);
        var count = ulong.Parse(lines[^4].Split("0x")[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        Assert.True(count > 0);
        var words = MemoryMarshal.Cast<byte, ulong>(File.ReadAllBytes(_folder.At(disk)));
        for (ulong sector = 0; sector < Sectors; sector++)
        {
            var found = (words[(int)sector * 64], words[((int)sector * 64) + 63]);
            Assert.Equal(sector < count ? (sector, unchecked(sector * 0x9e3779b97f4a7c15)) : (0ul, 0ul), found);
        }
    }

    /// <summary>A program of the host's that has each of its messages echoed, one after the other, until it is told to end.</summary>
    private sealed class Talk : IDisposable
    {
        private const int Patience = 60_000;

        private readonly Socket _socket;
        private readonly Thread _thread;
        private readonly SemaphoreSlim _rounds = new(0);
        private volatile Exception? _problem;
        private volatile bool _ending;

        public Talk(string path)
        {
            (_socket, Port) = Open(path);
            _thread = new Thread(Run) { IsBackground = true };
            _thread.Start();
        }

        /// <summary>The host's, unlike those of all connections the guest has had.</summary>
        public uint Port { get; }

        public void WaitForRounds(int rounds)
        {
            while (rounds > 0)
            {
                if (_rounds.Wait(100)) rounds--;
                Assert.Null(_problem);
            }
        }

        public void End()
        {
            _ending = true;
            Assert.True(_thread.Join(TimeSpan.FromSeconds(60)));
            Assert.Null(_problem);
            _socket.Shutdown(SocketShutdown.Both);
        }

        public void Dispose()
        {
            _socket.Dispose();
            _rounds.Dispose();
        }

        /// <summary>A guest has two seconds to answer, which one on a busy host may miss: it is asked again, as programs do.</summary>
        private static (Socket Socket, uint Port) Open(string path)
        {
            for (var deadline = Environment.TickCount64 + Patience; ;)
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = Patience, SendTimeout = Patience };
                socket.Connect(new UnixDomainSocketEndPoint(path));
                socket.Send("CONNECT 22\n"u8);
                var letter = new byte[1];
                var line = new StringBuilder();
                while (socket.Receive(letter) == 1 && letter[0] != '\n') line.Append((char)letter[0]);
                if (line.ToString().Split(' ') is ["OK", var port]) return (socket, uint.Parse(port, CultureInfo.InvariantCulture));
                socket.Dispose();
                Assert.True(line.Length == 0 && Environment.TickCount64 < deadline, $"The guest answered \"{line}\".");
            }
        }

        private void Run()
        {
            try
            {
                var (random, sent, back) = (new Random(1), new byte[4000], new byte[4000]);
                while (!_ending)
                {
                    var length = random.Next(1, sent.Length);
                    random.NextBytes(sent.AsSpan(0, length));
                    for (var at = 0; at < length;) at += _socket.Send(sent.AsSpan(at, length - at));
                    for (var at = 0; at < length;)
                    {
                        var count = _socket.Receive(back.AsSpan(at, length - at));
                        if (count == 0) throw new IOException($"The guest is gone after {at} of {length} bytes.");
                        at += count;
                    }

                    if (!back.AsSpan(0, length).SequenceEqual(sent.AsSpan(0, length))) throw new IOException("Other bytes came back.");
                    _rounds.Release();
                }

                if (_socket.Available > 0) throw new IOException("More came back than was sent.");
            }
#pragma warning disable CA1031 // It goes to the test.
            catch (Exception e)
#pragma warning restore CA1031
            {
                _problem = e;
            }
        }
    }
}
