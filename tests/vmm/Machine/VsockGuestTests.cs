using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Machine;
using Xunit;

namespace RunnerVm.Tests.Vmm.Machine;

/// <summary>A guest's driver of our own on /dev/kvm, programs with sockets on the host.</summary>
public sealed class VsockGuestTests : IDisposable
{
    /// <summary>More than guest, device and both Unix sockets can hold together.</summary>
    private const int Length = 3 << 20;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("vsock-");

    private string Path => System.IO.Path.Combine(_folder.FullName, "v.sock");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_guest_echoes_more_than_any_buffer_holds_on_connections_of_either_side()
    {
        var kernel = FreestandingGuest.Build("vsock");
        using var listener = Listen(52);
        using var guest = RunningGuest.Start(kernel, new() { Vsock = new() { GuestCid = 3, UdsPath = Path } });
        guest.WaitForConsole("listening");

        using var first = Connect(Path);
        first.Send("CONNECT 22\n"u8);
        Assert.StartsWith("OK ", ReadLine(first), StringComparison.Ordinal);
        var rates = $"{Echo(first)}, host's connection";
        using var second = listener.Accept();
        rates += $"; {Echo(second)}, guest's";

        Assert.Equal(GuestEnd.Clean, guest.WaitForEnd().ExitCode);
        Assert.Equal($"listening\nechoed=0x{Length:x}\nechoed=0x{Length:x}\nPASS\n", guest.Console);
        TestContext.Current.TestOutputHelper?.WriteLine(rates);
    }

    [Fact]
    public void A_driver_that_does_everything_wrong_can_still_connect_afterwards()
    {
        var kernel = FreestandingGuest.Build("vsock_hostile");
        using var listener = Listen(52);
        using var guest = RunningGuest.Start(kernel, new() { Vsock = new() { GuestCid = 3, UdsPath = Path } });
        Assert.Equal(GuestEnd.Clean, guest.WaitForEnd().ExitCode);
        Assert.Equal("PASS\n", guest.Console);
        var heard = new List<string>();
        while (listener.Poll(0, SelectMode.SelectRead))
        {
            using var socket = listener.Accept();
            using var stream = new NetworkStream(socket);
            heard.Add(Encoding.Latin1.GetString(ReadToEnd(stream)));
        }

        Assert.Equal("alive", heard[^1]);
    }

    [Fact]
    public void The_socket_goes_with_the_machine()
    {
        var kernel = FreestandingGuest.Build("hello");
        using (var guest = RunningGuest.Build(kernel, new() { Vsock = new() { GuestCid = 3, UdsPath = Path } })) Assert.True(File.Exists(Path));
        Assert.False(File.Exists(Path));
    }

    private Socket Listen(int port)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = 60_000 };
        socket.Bind(new UnixDomainSocketEndPoint(string.Create(CultureInfo.InvariantCulture, $"{Path}_{port}")));
        socket.Listen();
        return socket;
    }

    private static Socket Connect(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = 60_000 };
        socket.Connect(new UnixDomainSocketEndPoint(path));
        return socket;
    }

    private static string ReadLine(Socket socket)
    {
        var line = new StringBuilder();
        var letter = new byte[1];
        while (socket.Receive(letter) == 1 && letter[0] != '\n') line.Append((char)letter[0]);
        return line.ToString();
    }

    /// <summary>Sends all, says so, and reads it back at the same time.</summary>
    private static string Echo(Socket socket)
    {
        var sent = new byte[Length];
        new Random(1).NextBytes(sent);
        var start = Stopwatch.GetTimestamp();
        var sender = new Thread(() =>
        {
            for (var at = 0; at < sent.Length;) at += socket.Send(sent.AsSpan(at));
            socket.Shutdown(SocketShutdown.Send);
        });
        sender.Start();
        socket.ReceiveTimeout = 60_000;
        using var stream = new NetworkStream(socket);
        var received = ReadToEnd(stream);
        Assert.True(sender.Join(TimeSpan.FromSeconds(60)));
        Assert.True(received.AsSpan().SequenceEqual(sent), $"{received.Length} bytes came back, or others.");
        return string.Create(CultureInfo.InvariantCulture, $"{Length / 1e6 / Stopwatch.GetElapsedTime(start).TotalSeconds:f1} MB/s there and back");
    }

    private static byte[] ReadToEnd(Stream stream)
    {
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }
}
