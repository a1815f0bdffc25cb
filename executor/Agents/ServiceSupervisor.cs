using System.Globalization;
using System.Net.Sockets;

namespace RunnerVm.Agents;

/// <summary>
/// What systemd wants to hear of a service (sd_notify(3), Type=notify): that it is ready, that it lives, that it stops.
/// Nothing is said where nobody listens.
/// </summary>
internal sealed class ServiceSupervisor : IDisposable
{
    private readonly Socket? _socket;
    private readonly ITimer? _watchdog;

    /// <param name="variable">Reads the environment.</param>
    public ServiceSupervisor(Func<string, string?> variable, TimeProvider time)
    {
        if (variable("NOTIFY_SOCKET") is not { Length: > 1 } address) return;
        var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        try
        {
            // A name that begins with @ is in no file system; the kernel has a zero byte there.
            socket.Connect(new UnixDomainSocketEndPoint(address[0] == '@' ? '\0' + address[1..] : address));
        }
        catch (SocketException)
        {
            socket.Dispose();
            return; // The variable outlived who set it.
        }

        _socket = socket;
        if (!long.TryParse(variable("WATCHDOG_USEC"), NumberStyles.None, CultureInfo.InvariantCulture, out var microseconds) || microseconds <= 0) return;
        if (variable("WATCHDOG_PID") is { Length: > 0 } pid && pid != Environment.ProcessId.ToString(CultureInfo.InvariantCulture)) return;
        var half = TimeSpan.FromMicroseconds(microseconds / 2.0);
        // On the thread pool: where that is stuck so are all jobs, and to be started anew is right.
        _watchdog = time.CreateTimer(_ => Say("WATCHDOG=1"), null, TimeSpan.Zero, half);
    }

    public void Ready(string status) => Say($"READY=1\nSTATUS={status}");

    public void Status(string status) => Say($"STATUS={status}");

    public void Stopping(string status) => Say($"STOPPING=1\nSTATUS={status}");

    public void Dispose()
    {
        _watchdog?.Dispose();
        _socket?.Dispose();
    }

    private void Say(string text)
    {
        try
        {
            _socket?.Send(System.Text.Encoding.UTF8.GetBytes(text));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Who supervises is gone, or we are.
        }
    }
}
