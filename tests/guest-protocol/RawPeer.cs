using RunnerVm.GuestProtocol;

namespace RunnerVm.Tests.GuestProtocol;

/// <summary>A guest that writes whatever it likes, byte for byte, to a real host connection.</summary>
internal sealed class RawPeer : IAsyncDisposable
{
    private readonly Stream _stream;

    private RawPeer(Stream stream, GuestConnection host) => (_stream, Host) = (stream, host);

    public GuestConnection Host { get; }

    public static async Task<RawPeer> ConnectAsync()
    {
        var (host, guest) = DuplexPair.Create();
        var opening = GuestConnection.OpenAsync(host, Role.Host, "test host", CancellationToken.None);
        var peer = guest;
        await peer.WriteAsync(Frame(FrameType.Hello, 0, new Hello(Hello.CurrentVersion, "raw").ToPayload()));
        return new(peer, await opening);
    }

    public static byte[] Frame(FrameType type, uint channel, ReadOnlySpan<byte> payload, byte lane = 0)
    {
        var frame = new byte[Limits.HeaderSize + payload.Length];
        new FrameHeader(payload.Length, type, lane, channel).Write(frame);
        payload.CopyTo(frame.AsSpan(Limits.HeaderSize));
        return frame;
    }

    public static byte[] OpenFrame(uint channel, ChannelKind kind = ChannelKind.Dial, int credit = 1 << 16, int requestBytes = 2)
    {
        var payload = new byte[OpenPrefix.Size + requestBytes];
        new OpenPrefix(kind, credit).Write(payload);
        return Frame(FrameType.Open, channel, payload);
    }

    public Task SendAsync(params byte[][] frames) => _stream.WriteAsync(frames.SelectMany(static f => f).ToArray()).AsTask();

    public Task SendRawAsync(byte[] bytes) => _stream.WriteAsync(bytes).AsTask();

    /// <summary>Reads and drops whatever the host says, until it says no more.</summary>
    public async Task DrainAsync()
    {
        var buffer = new byte[1 << 16];
        while (await _stream.ReadAsync(buffer) > 0)
        {
        }
    }

    public void HangUp() => _stream.Dispose();

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        await _stream.DisposeAsync();
    }
}
