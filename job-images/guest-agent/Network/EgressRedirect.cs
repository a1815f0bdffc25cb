using RunnerVm.GuestAgent.Boot;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Network;

/// <summary>
/// Turns outbound TCP and DNS of the guest into dial and dns channels, without a network card and without netfilter:
/// a route makes every address local, a BPF program steers every port to the agent's sockets, and a socket's own name
/// says where its peer wanted to go.
/// </summary>
internal static class EgressRedirect
{
    /// <summary>Called once, by thaw; needs no file system, so that the job's root may be made meanwhile. All of it lives as long as the process.</summary>
    /// <param name="space">From <see cref="SocketSteering.OpenNamespace"/>; closed here.</param>
    /// <exception cref="System.ComponentModel.Win32Exception">The kernel lacks something; the message says what.</exception>
    public static void Start(GuestConnection connection, SafeFileHandle space)
    {
        using var attached = space;
        KernelModules.Load("unix", "af_packet", "dummy");
        var steering = new SocketSteering();
        new LocalAddresses(steering).Start();
        RouteSetup.Apply();
        new TcpRedirect(connection).Start(steering);
        new UdpRedirect(new DnsPipe(connection), new PacketSender()).Start(steering);
        steering.Attach(space);
    }

    /// <summary>Tells the job's programs where to ask for names; the root they see is there by now.</summary>
    public static void WriteResolverFile() => ResolverFile.Write("/etc/resolv.conf");
}
