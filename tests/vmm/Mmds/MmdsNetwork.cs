using System.Net;
using System.Net.Sockets;
using System.Text;
using RunnerVm.Tests.Vmm.Devices.Net;
using RunnerVm.Vmm.Monitor.Mmds;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;
using Xunit;

namespace RunnerVm.Tests.Vmm.Mmds;

/// <summary>
/// The service on a wire with the kernel's own TCP at the other end: a TAP device in a network namespace plays the guest's
/// card, turned around. Frames may be lost on purpose.
/// </summary>
internal sealed class MmdsNetwork : IDisposable
{
    private readonly TapDevice _tap = TapDevice.Open("tap0");
    private readonly Epoll _epoll = new();
    private readonly Func<bool> _loses;
    private volatile bool _over;

    private MmdsNetwork(MmdsDataStore store, Func<bool> loses)
    {
        _loses = loses;
        Service = new(IPAddress.Parse("169.254.169.254"), store, new());
        _epoll.Add(_tap.Descriptor, EpollEvents.Readable, 1);
    }

    public MmdsResponder Service { get; }

    public int Lost { get; private set; }

    /// <summary>Runs a client beside the service.</summary>
    public static void Run(MmdsDataStore store, Action<MmdsNetwork> client, Func<bool>? loses = null) => NetworkNamespace.WithTap(() =>
    {
        NetworkNamespace.Shell("ip addr add 169.254.1.1/16 dev tap0");
        using var network = new MmdsNetwork(store, loses ?? (static () => false));
        NetworkNamespace.WaitForCarrier();
        Exception? failure = null;
        // A thread is born into the namespace of the one that makes it.
        var thread = new Thread(() =>
        {
            try
            {
                client(network);
            }
            catch (Exception problem)
            {
                failure = problem;
            }

            network._over = true;
        });
        thread.Start();
        network.Serve();
        thread.Join();
        if (failure is not null) throw new InvalidOperationException(failure.Message, failure);
    });

    public static Socket Connect(int port = 80)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 60_000, NoDelay = true };
        socket.Connect(IPAddress.Parse("169.254.169.254"), port);
        return socket;
    }

    /// <summary>An answer's head and body.</summary>
    public static (string Head, string Body) Ask(Socket socket, string request)
    {
        socket.Send(Encoding.ASCII.GetBytes(request));
        return Read(socket);
    }

    public static (string Head, string Body) Read(Socket socket)
    {
        var bytes = new List<byte>();
        var buffer = new byte[65536];
        while (true)
        {
            var text = Encoding.Latin1.GetString([.. bytes]);
            var end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            if (end >= 0)
            {
                var length = int.Parse(text[..end].Split("Content-Length: ")[1].Split('\r')[0]);
                if (text.Length >= end + 4 + length) return (text[..end], text.Substring(end + 4, length));
            }

            var count = socket.Receive(buffer);
            Assert.True(count > 0, $"The connection ended after: {text}");
            bytes.AddRange(buffer[..count]);
        }
    }

    /// <summary>One request on a connection of its own.</summary>
    public static (string Head, string Body) Ask(string request)
    {
        using var socket = Connect();
        return Ask(socket, request);
    }

    public void Dispose()
    {
        _tap.Dispose();
        _epoll.Dispose();
    }

    private void Serve()
    {
        var frame = new byte[65562];
        var answer = new byte[TapDevice.HeaderBytes + 1514];
        while (!_over)
        {
            _epoll.Wait(10);
            long length;
            while ((length = _tap.Read(frame)) > 0)
            {
                var body = frame.AsSpan(TapDevice.HeaderBytes, (int)length - TapDevice.HeaderBytes);
                if (Service.Claims(body[..Math.Min(42, body.Length)]) && !IsLost()) Service.Deliver(body);
            }

            Assert.Equal(-LibC.EAGAIN, length);
            while (Service.TryTake(answer.AsSpan(TapDevice.HeaderBytes), out var count))
            {
                if (!IsLost()) Write(answer.AsSpan(0, TapDevice.HeaderBytes + count));
            }
        }
    }

    private bool IsLost()
    {
        if (!_loses()) return false;
        Lost++;
        return true;
    }

    private void Write(ReadOnlySpan<byte> frame)
    {
        using var memory = new RunnerVm.Vmm.Native.Memory.GuestMemory([new(new(0), RunnerVm.Vmm.Native.Memory.MappedRegion.Anonymous(4096))]);
        memory.Write(new(0), frame);
        var buffers = new RunnerVm.Vmm.Native.Memory.GuestBuffers(1);
        buffers.TryAdd(memory, new(0), (uint)frame.Length);
        Assert.Equal(frame.Length, buffers.WriteTo(_tap.Descriptor));
    }
}
