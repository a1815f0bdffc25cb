using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace RunnerVm.Tests.Machines;

/// <summary>A DNS server over UDP that knows a few names and rebinds one of them.</summary>
internal sealed class DnsServer : IAsyncDisposable
{
    private static readonly Dictionary<string, string> Names = new()
    {
        ["good.example"] = EgressLab.Server,
        ["bad.example"] = EgressLab.Server,
        ["other.test"] = EgressLab.Server,
        ["six.example"] = EgressLab.Server6,
        ["private.example"] = EgressLab.Private,
        ["metadata.example"] = EgressLab.Metadata,
    };

    private readonly UdpClient _socket;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _serving;
    private int _rebindings;

    public DnsServer(IPEndPoint local)
    {
        _socket = new(local);
        _serving = ServeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _socket.Dispose();
        _stop.Dispose();
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            var received = await _socket.ReceiveAsync(_stop.Token);
            await _socket.SendAsync(Answer(received.Buffer), received.RemoteEndPoint, _stop.Token);
        }
    }

    private byte[] Answer(byte[] query)
    {
        // Header of 12 bytes, then one question: labels, type, class (RFC 1035 section 4).
        var labels = new List<string>();
        var at = 12;
        for (int length; (length = query[at]) > 0; at += length + 1) labels.Add(Encoding.ASCII.GetString(query, at + 1, length));
        var name = string.Join('.', labels).ToLowerInvariant();
        var type = BinaryPrimitives.ReadUInt16BigEndian(query.AsSpan(at + 1));
        var question = query[12..(at + 5)];
        Console.WriteLine($"dns {name}");

        var known = Find(name, type);
        var matches = known is not null && type == (known.AddressFamily == AddressFamily.InterNetwork ? 1 : 28);
        var answer = new List<byte>(query[..2]);
        answer.AddRange([0x81, (byte)(known is null ? 0x83 : 0x80), 0, 1, 0, (byte)(matches ? 1 : 0), 0, 0, 0, 0]);
        answer.AddRange(question);
        if (!matches) return [.. answer];
        var bytes = known!.GetAddressBytes();
        // The name by reference, type, class, a life of 0 s, the address.
        answer.AddRange([0xC0, 12, 0, (byte)type, 0, 1, 0, 0, 0, 0, 0, (byte)bytes.Length]);
        answer.AddRange(bytes);
        return [.. answer];
    }

    private IPAddress? Find(string name, ushort type)
    {
        // The first look-up leads outside, every later one inwards.
        if (name == "rebind.example") return IPAddress.Parse(type == 1 && Interlocked.Increment(ref _rebindings) > 1 ? EgressLab.Private : EgressLab.Server);
        return Names.TryGetValue(name, out var address) ? IPAddress.Parse(address) : null;
    }
}
