using System.Net;
using System.Net.Sockets;
using RunnerVm.Tests.Vmm.Devices.Net;
using RunnerVm.Vmm.Monitor.Machine;
using Xunit;

namespace RunnerVm.Tests.Vmm.Machine;

/// <summary>A guest's driver of our own on /dev/kvm, a TAP device in a network namespace, the host's own ARP and UDP.</summary>
public sealed class NetGuestTests
{
    [Fact]
    public void A_guest_on_a_TAP_device_is_found_by_ARP_and_sends_every_datagram_back()
    {
        var kernel = FreestandingGuest.Build("net");
        NetworkNamespace.WithTap(() =>
        {
            NetworkNamespace.Shell("ip neigh del 10.0.0.2 dev tap0");
            using var guest = RunningGuest.Start(kernel, new() { NetworkInterfaces = [NetGuest.Configuration] });
            guest.WaitForConsole("listening");
            NetworkNamespace.WaitForCarrier();
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 60_000 };
            socket.Connect(IPAddress.Parse("10.0.0.2"), 7);
            var random = new Random(3);
            var back = new byte[2000];
            for (var i = 0; i < 300; i++)
            {
                var sent = new byte[8 + random.Next(1465)];
                random.NextBytes(sent);
                socket.Send(sent);
                Assert.True(back.AsSpan(0, socket.Receive(back)).SequenceEqual(sent), $"datagram {i} came back as another");
            }

            socket.Send("the end"u8);
            Assert.Equal(GuestEnd.Clean, guest.WaitForEnd().ExitCode);
            Assert.Equal("listening\ndatagrams=0x12c\nPASS\n", guest.Console);
        });
    }
}
