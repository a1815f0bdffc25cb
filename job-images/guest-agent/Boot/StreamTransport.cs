using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Boot;

/// <summary>
/// Finds the way to the host that this machine has: a virtio-serial port of the agreed name. An engine with vsock adds
/// its case to <see cref="Open"/>: connect, and hand the socket's descriptor to <see cref="DescriptorStream"/>.
/// </summary>
internal static class StreamTransport
{
    private const string PortName = "org.runnervm.agent";
    private const int PatienceMilliseconds = 10_000;
    private const int PollMilliseconds = 2;

    /// <summary>A port is called vport, the number of its device among all of virtio, p, its own number (drivers/char/virtio_console.c).</summary>
    private const int MostDevices = 10, MostPorts = 4;

    /// <summary>
    /// Waits for the port, whose name arrives by a message of the device after the driver is there, and then for the host
    /// at its other end. The port stays open in between: closing it would throw away what the host has sent by then.
    /// </summary>
    public static DescriptorStream Open()
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
