using System.Buffers.Binary;
using System.Text;
using RunnerVm.GuestProtocol;

namespace RunnerVm.Tests.Executor.Jobs;

/// <summary>A guest that writes frames byte for byte: keeps the rules as far as a test wants, then breaks them.</summary>
internal sealed class RawAgent(FakeMachine machine)
{
    /// <summary>Greets, thaws, and returns the number of the first channel of the wanted kind.</summary>
    public async Task<uint> UntilAsync(ChannelKind wanted)
    {
        await SendAsync(Frame(FrameType.Hello, 0, new Hello(Hello.CurrentVersion, "raw").ToPayload()));
        while (true)
        {
            var (header, payload) = await ReadAsync();
            if (header.Type != FrameType.Open) continue;
            if (payload[0] == (byte)wanted) return header.Channel;
            await SendAsync(Frame(FrameType.Close, header.Channel, payload[0] == (byte)ChannelKind.Thaw ? new ThawResult().ToPayload() : "{}"u8));
        }
    }

    public Task SendAsync(params byte[][] frames) => machine.GuestEnd.WriteAsync(frames.SelectMany(static f => f).ToArray(), machine.Gone).AsTask();

    public async Task<(FrameHeader Header, byte[] Payload)> ReadAsync()
    {
        var bytes = new byte[Limits.HeaderSize];
        await machine.GuestEnd.ReadExactlyAsync(bytes, machine.Gone);
        var header = FrameHeader.Read(bytes, Role.Host);
        var payload = new byte[header.Length];
        await machine.GuestEnd.ReadExactlyAsync(payload, machine.Gone);
        return (header, payload);
    }

    /// <summary>Reads and drops whatever the host says.</summary>
    public async Task DrainAsync()
    {
        while (true) await ReadAsync();
    }

    public static byte[] Frame(FrameType type, uint channel, ReadOnlySpan<byte> payload, byte lane = 0)
    {
        var frame = new byte[Limits.HeaderSize + payload.Length];
        new FrameHeader(payload.Length, type, lane, channel).Write(frame);
        payload.CopyTo(frame.AsSpan(Limits.HeaderSize));
        return frame;
    }

    public static byte[] Frame(FrameType type, uint channel, string payload) => Frame(type, channel, Encoding.UTF8.GetBytes(payload));

    public static byte[] Open(uint channel, ChannelKind kind, string request = "{}", int credit = 1 << 16)
    {
        var text = Encoding.UTF8.GetBytes(request);
        var payload = new byte[OpenPrefix.Size + text.Length];
        new OpenPrefix(kind, credit).Write(payload);
        text.CopyTo(payload, OpenPrefix.Size);
        return Frame(FrameType.Open, channel, payload);
    }

    public static byte[] Credit(uint channel, uint bytes)
    {
        var payload = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(payload, bytes);
        return Frame(FrameType.Credit, channel, payload);
    }
}
