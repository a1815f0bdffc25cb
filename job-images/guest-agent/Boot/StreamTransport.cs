using System.Globalization;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Boot;

/// <summary>
/// Finds the way to the host that this machine has: a vsock port named on the kernel's command line, which the kernel
/// hands on in our environment, else a virtio-serial port of the agreed name.
/// </summary>
internal static class StreamTransport
{
    private const string PortName = "org.runnervm.agent";
    private const string VsockVariable = "runnervm_vsock";
    private const int PatienceMilliseconds = 10_000;
    private const int PollMilliseconds = 2;

    /// <summary>Waits for its device and for the host at its other end.</summary>
    public static DescriptorStream Open() =>
        uint.TryParse(Environment.GetEnvironmentVariable(VsockVariable), CultureInfo.InvariantCulture, out var port) ? ConnectToHost(port) : OpenPort();

    private static DescriptorStream ConnectToHost(uint port)
    {
        KernelModules.Load("vmw_vsock_virtio_transport");
        var errno = 0;
        for (var waited = 0; waited < PatienceMilliseconds; waited += PollMilliseconds)
        {
            if (VsockSocket.TryConnectToHost(port, out errno) is { } socket) return new(socket);
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
        KernelModules.Load("virtio_console");
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
        const string ports = "/sys/class/virtio-ports";
        if (!Directory.Exists(ports)) return null;
        foreach (var port in Directory.GetFileSystemEntries(ports))
        {
            if (KernelFile.TryRead($"{port}/name")?.TrimEnd('\n') == PortName)
                return KernelFile.TryOpen($"/dev/{Path.GetFileName(port)}", Libc.O_RDWR | Libc.O_NONBLOCK | Libc.O_NOCTTY);
        }

        return null;
    }
}
