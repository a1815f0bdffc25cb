using RunnerVm.Vmm.Native.Handles;

namespace RunnerVm.Tests.Vmm.Devices.Vsock;

internal static class TestSockets
{
    /// <summary>As <see cref="VsockGuest.Read"/>; a connection reset is an end too.</summary>
    public static byte[]? ReadOrEnd(VsockGuest guest, FileDescriptor socket)
    {
        guest.Pump();
        var bytes = new byte[1 << 20];
        var count = UnixSocket.Read(socket, bytes);
        return count is 0 or -104 ? null : bytes[..(int)Math.Max(0, count)];
    }
}
