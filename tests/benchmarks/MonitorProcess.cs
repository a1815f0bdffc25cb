using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace RunnerVm.Benchmarks;

/// <summary>
/// Our monitor with its API. Whoever measures it waits for what it writes and does nothing meanwhile: to try its socket again and
/// again takes the processor from it, and a refused connection is an exception here, which costs as much as half its start.
/// </summary>
internal sealed class MonitorProcess : IDisposable
{
    private readonly string _path;
    private readonly Process _process;
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    /// <summary>Returns when it can be asked.</summary>
    /// <param name="folder">For its socket.</param>
    public MonitorProcess(string folder, params string[] arguments)
    {
        _path = Path.Combine(folder, "api");
        _process = Process.Start(new ProcessStartInfo(MonitorBenchmarks.Monitor, ["--api-sock", _path, .. arguments]) { RedirectStandardOutput = true, RedirectStandardInput = true })!;
        AwaitLetter((byte)'\n'); // Of its log: "API server started."
        _socket.Connect(new UnixDomainSocketEndPoint(_path));
    }

    public double CpuMilliseconds => MonitorBenchmarks.CpuMilliseconds(_process.Id);

    public void Ask(string method, string path, string body)
    {
        _socket.Send(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture,
            $"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}")));
        var answer = new byte[4096];
        var text = Encoding.ASCII.GetString(answer, 0, _socket.Receive(answer));
        if (!text.StartsWith("HTTP/1.1 204", StringComparison.Ordinal)) throw new InvalidOperationException($"{method} {path}: {text}");
    }

    /// <summary>Until the guest speaks.</summary>
    public void AwaitMark() => AwaitLetter(TinyGuest.Mark);

    /// <summary>Killed and reaped: the kernel has taken its machine apart by then, 20 ms later.</summary>
    public void Dispose()
    {
        _socket.Dispose();
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        File.Delete(_path);
    }

    private void AwaitLetter(byte letter)
    {
        int read;
        while ((read = _process.StandardOutput.BaseStream.ReadByte()) != letter)
            if (read < 0) throw new InvalidOperationException("runnervm-vmm ended before it spoke.");
    }
}
