using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Boot;

/// <summary>
/// Finds the way to the host that this machine has: a virtio-serial port of the agreed name. An engine with vsock adds
/// its case to <see cref="TryOpen"/>: connect, and hand the socket's descriptor to <see cref="DescriptorStream"/>.
/// </summary>
internal static class StreamTransport
{
    private const string PortName = "org.runnervm.agent";
    private const int PatienceMilliseconds = 10_000;
    private const int PollMilliseconds = 2;

    /// <summary>Waits for the port: its name arrives by a message of the device after the driver is there.</summary>
    public static DescriptorStream Open()
    {
        for (var waited = 0; waited < PatienceMilliseconds; waited += PollMilliseconds)
        {
            if (TryOpen() is { } stream) return stream;
            KernelFile.Pause(PollMilliseconds);
        }

        throw new IOException($"The machine has no virtio-serial port named {PortName}.");
    }

    private static DescriptorStream? TryOpen()
    {
        const string ports = "/sys/class/virtio-ports";
        if (!Directory.Exists(ports)) return null;
        foreach (var port in Directory.GetFileSystemEntries(ports))
        {
            if (KernelFile.TryRead($"{port}/name")?.TrimEnd('\n') != PortName) continue;
            var device = KernelFile.TryOpen($"/dev/{Path.GetFileName(port)}", Libc.O_RDWR | Libc.O_NONBLOCK | Libc.O_NOCTTY);
            if (device is null) return null;
            if (DescriptorStream.HasPeer(device)) return new(device);
            // The port is there before the device has said that somebody is at its other end.
            device.Dispose();
            return null;
        }

        return null;
    }
}
