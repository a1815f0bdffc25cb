using Microsoft.Extensions.Time.Testing;
using RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Memory;
using Xunit;
using static RunnerVm.Vmm.Monitor.Devices.Virtio.Vsock.VsockConnectionState;

namespace RunnerVm.Tests.Vmm.Devices.Vsock;

/// <summary>The connection alone: every state with every packet and every thing a host can do.</summary>
public sealed class VsockConnectionTests : IDisposable
{
    private static readonly VsockConnectionState[] States = Enum.GetValues<VsockConnectionState>();

    private static readonly string[] Events =
    [
        "REQUEST", "RESPONSE", "RST", "SHUTDOWN receive", "SHUTDOWN send", "SHUTDOWN both", "RW", "CREDIT_UPDATE", "CREDIT_REQUEST",
        "host ends", "host leaves", "time is up",
    ];

    private readonly GuestMemory _memory = new([new(new(0), MappedRegion.Anonymous(1 << 20))]);
    private readonly FakeTimeProvider _time = new();
    private readonly VsockCounters _counters = new();
    private readonly List<IDisposable> _owned = [];

    public void Dispose()
    {
        _owned.ForEach(owned => owned.Dispose());
        _memory.Dispose();
    }

    [Fact]
    public void Every_state_goes_on_as_it_should_after_everything_that_can_happen()
    {
        // One row an event, in the order of Events; one column a state, in the order of the enumeration.
        VsockConnectionState[][] expected =
        [
            //  LocalInit  PeerInit  Established   OnlyToGuest  OnlyToHost   Closing   Draining  Killed    Released
            [Killed,      Killed,   Killed,       Killed,      Killed,      Killed,   Draining, Killed,   Released],
            [Established, Killed,   Killed,       Killed,      Killed,      Killed,   Draining, Killed,   Released],
            [Released,    Released, Released,     Released,    Released,    Released, Draining, Released, Released],
            [Killed,      Killed,   OnlyToHost,   Draining,    OnlyToHost,  Draining, Draining, Killed,   Released],
            [Killed,      Killed,   OnlyToGuest,  OnlyToGuest, Closing,     Closing,  Draining, Killed,   Released],
            [Killed,      Draining, Draining,     Draining,    Draining,    Draining, Draining, Killed,   Released],
            [Killed,      Killed,   Established,  Killed,      OnlyToHost,  Killed,   Draining, Killed,   Released],
            [LocalInit,   PeerInit, Established,  OnlyToGuest, OnlyToHost,  Closing,  Draining, Killed,   Released],
            [Killed,      PeerInit, Established,  OnlyToGuest, OnlyToHost,  Closing,  Draining, Killed,   Released],
            [LocalInit,   PeerInit, OnlyToHost,   Closing,     OnlyToHost,  Closing,  Draining, Killed,   Released],
            [Killed,      PeerInit, Closing,      Closing,     Closing,     Closing,  Released, Killed,   Released],
            [Killed,      PeerInit, Established,  OnlyToGuest, OnlyToHost,  Draining, Released, Killed,   Released],
        ];
        var wrong = new List<string>();
        for (var what = 0; what < Events.Length; what++)
        {
            for (var state = 0; state < States.Length; state++)
            {
                var (connection, host) = In(States[state]);
                Happen(connection, host, Events[what]);
                if (connection.State != expected[what][state])
                    wrong.Add($"{States[state]}, {Events[what]}: {connection.State} instead of {expected[what][state]}");
                if (connection.State == Killed) Assert.Equal(VsockOperation.Reset, Control(connection));
                if (connection.State == Killed) throw new InvalidOperationException("Killed after its RST.");
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{Events.Length * States.Length} pairs");
        Assert.Empty(wrong);
    }

    [Fact]
    public void Counters_go_around_at_four_gibibytes()
    {
        var (connection, host) = In(Established);
        var buffer = new byte[VsockConnection.LargestPayload];
        var (sent, forwarded) = (0u, 0u);
        for (long total = 0; total < (1L << 32) + (1 << 20); total += buffer.Length)
        {
            Packet(connection, VsockOperation.ReadWrite, length: (uint)buffer.Length);
            sent += (uint)buffer.Length;
            Assert.Equal(buffer.Length, UnixSocket.Read(host, buffer));
            var header = new VsockHeader();
            if (!connection.TryControl(ref header)) continue;
            Assert.Equal(VsockOperation.CreditUpdate, header.Operation);
            forwarded = header.Forwarded;
        }

        Assert.Equal((Established, sent), (connection.State, forwarded));
        Assert.True(sent < 1 << 21);
    }

    private (VsockConnection Connection, FileDescriptor Host) In(VsockConnectionState state)
    {
        var (host, ours) = UnixSocket.Pair();
        var connection = state == PeerInit
            ? VsockConnection.FromGuest(new() { BufferSize = 4096 }, ours, _counters, _time)
            : VsockConnection.FromHost(new(1, 2), ours, _counters, _time);
        _owned.AddRange([host, connection]);
        if (state == PeerInit) return (connection, host);
        Assert.Equal(VsockOperation.Request, Control(connection));
        if (state == LocalInit) return (connection, host);
        Happen(connection, host, "RESPONSE");
        UnixSocket.Read(host, new byte[100]);
        if (state == OnlyToGuest) Happen(connection, host, "SHUTDOWN send");
        if (state is OnlyToHost or Closing) Happen(connection, host, "host ends");
        if (state == Closing) Happen(connection, host, "SHUTDOWN send");
        if (state == Draining)
        {
            while (Fill(connection))
            {
            }

            Happen(connection, host, "RST");
        }

        if (state == Killed) connection.Kill();
        if (state == Released) Happen(connection, host, "RST");
        Assert.Equal(state, connection.State);
        return (connection, host);
    }

    /// <summary>Sends until the host's socket takes no more.</summary>
    private bool Fill(VsockConnection connection)
    {
        Packet(connection, VsockOperation.ReadWrite, length: 32768);
        while (connection.HasControl) Control(connection);
        return connection.Wanted.HasFlag(EpollEvents.Writable) is false;
    }

    private void Happen(VsockConnection connection, FileDescriptor host, string what)
    {
        switch (what)
        {
            case "REQUEST": Packet(connection, VsockOperation.Request); break;
            case "RESPONSE": Packet(connection, VsockOperation.Response); break;
            case "RST": Packet(connection, VsockOperation.Reset); break;
            case "SHUTDOWN receive": Packet(connection, VsockOperation.Shutdown, VsockShutdown.Receive); break;
            case "SHUTDOWN send": Packet(connection, VsockOperation.Shutdown, VsockShutdown.Send); break;
            case "SHUTDOWN both": Packet(connection, VsockOperation.Shutdown, VsockShutdown.Both); break;
            case "RW": Packet(connection, VsockOperation.ReadWrite, length: 10); break;
            case "CREDIT_UPDATE": Packet(connection, VsockOperation.CreditUpdate); break;
            case "CREDIT_REQUEST": Packet(connection, VsockOperation.CreditRequest); break;
            case "time is up": connection.OnDeadline(); break;
            default:
                if (what == "host leaves") host.Dispose();
                else UnixSocket.FinishSending(host);
                connection.OnHostReady(EpollEvents.Readable | EpollEvents.PeerClosed | (what == "host leaves" ? EpollEvents.HungUp : EpollEvents.None));
                var header = new VsockHeader();
                connection.TryData(ref header, Buffers());
                break;
        }
    }

    private static VsockOperation Control(VsockConnection connection)
    {
        var header = new VsockHeader();
        Assert.True(connection.TryControl(ref header));
        return header.Operation;
    }

    private void Packet(VsockConnection connection, VsockOperation operation, VsockShutdown shutdown = VsockShutdown.None, uint length = 0) =>
        connection.OnPacket(new() { Operation = operation, Shutdown = shutdown, Length = length, BufferSize = 4096 }, Buffers());

    private readonly GuestBuffers _buffers = new(1);

    private GuestBuffers Buffers()
    {
        _buffers.Clear();
        _buffers.TryAdd(_memory, new(0), 1 << 20);
        return _buffers;
    }
}
