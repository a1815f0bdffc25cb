using System.Globalization;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Boot;

/// <summary>
/// Finds the way to the host that this machine has: a vsock port named on the kernel's command line, which the kernel
/// hands on in our environment, else a virtio-serial port of the agreed name; in a sandbox, a Unix socket.
/// </summary>
internal static class StreamTransport
{
    private const string PortName = "org.runnervm.agent";
    private const string VsockVariable = "runnervm_vsock";
    private const int PatienceMilliseconds = 10_000;
    private const int PollMilliseconds = 2;

    /// <summary>A port is called vport, the number of its device among all of virtio, p, its own number (drivers/char/virtio_console.c).</summary>
    private const int MostDevices = 10, MostPorts = 4;

    /// <summary>The module of its device's driver.</summary>
    public static string Driver => VsockPort is null ? "virtio_console" : "vmw_vsock_virtio_transport";

    private static uint? VsockPort =>
        uint.TryParse(Environment.GetEnvironmentVariable(VsockVariable), NumberStyles.None, CultureInfo.InvariantCulture, out var port) ? port : null;

    /// <summary>Waits for its device, whose driver is loaded, and for the host at its other end.</summary>
    public static DescriptorStream Open()
    {
        if (Sandbox.HostSocket is { } path) return new(UnixSocket.ConnectToHost(path));
        return VsockPort is { } port ? ConnectToHost(port) : OpenPort();
    }

    private static DescriptorStream ConnectToHost(uint port) => new(Connect(port), () => Connect(port));

    private static SafeFileHandle Connect(uint port)
    {
        var errno = 0;
        for (var waited = 0; waited < PatienceMilliseconds; waited += PollMilliseconds)
        {
            if (VsockSocket.TryConnectToHost(port, out errno) is { } socket) return socket;
            // No device yet, or a host that does not listen yet: both may come.
            KernelFile.Pause(PollMilliseconds);
        }

        throw new LinuxException($"Cannot connect to the host's vsock port {port}", errno);
    }

    /// <summary>
    /// Waits for the port, whose name arrives by a message of the device after the driver is there, and then for the host
    /// at its other end. The port stays open in between: closing it would throw away what the host has sent by then.
    /// </summary>
    private static DescriptorStream OpenPort()
    {
        SafeFileHandle? port = null;
        for (var waited = 0; waited < PatienceMilliseconds; waited += PollMilliseconds)
        {
            port ??= TryOpenPort();
            if (port is not null && DescriptorStream.HasPeer(port)) return new(port);
            KernelFile.Pause(PollMilliseconds);
        }

        throw new IOException(port is null ? $"The machine has no virtio-serial port named {PortName}." : $"Nobody is at the other end of {PortName}.");
    }

    private static SafeFileHandle? TryOpenPort()
    {
        for (var number = 0; number < MostDevices * MostPorts; number++)
        {
            var port = $"vport{(char)('0' + (number / MostPorts))}p{(char)('0' + (number % MostPorts))}";
            if (KernelFile.TryRead($"/sys/class/virtio-ports/{port}/name") == PortName + "\n")
                return KernelFile.TryOpen($"/dev/{port}", Libc.O_RDWR | Libc.O_NONBLOCK | Libc.O_NOCTTY);
        }

        return null;
    }
}
