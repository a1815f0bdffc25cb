using FsCheck.Xunit;
using RunnerVm.GuestProtocol;
using Xunit;

namespace RunnerVm.Tests.GuestProtocol;

public sealed class HostileGuestTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    public static TheoryData<string, byte[][], string> Violations()
    {
        var data = new TheoryData<string, byte[][], string>
        {
            { "unknown type", [RawPeer.Frame((FrameType)9, 1, [])], "unknown type 9" },
            { "hello again", [RawPeer.Frame(FrameType.Hello, 0, [1])], "Hello" },
            { "data on channel 0", [RawPeer.Frame(FrameType.Data, 0, [1])], "channel 0" },
            { "data on a channel never opened", [RawPeer.Frame(FrameType.Data, 1, [1])], "never opened" },
            { "data on a host channel never opened", [RawPeer.Frame(FrameType.Data, 4, [1])], "never opened" },
            { "channel of the host's parity", [RawPeer.OpenFrame(2)], "not the next" },
            { "channel number skipped", [RawPeer.OpenFrame(3)], "not the next" },
            { "channel number used twice", [RawPeer.OpenFrame(1), RawPeer.OpenFrame(1)], "not the next" },
            { "open too short", [RawPeer.Frame(FrameType.Open, 1, [1, 2])], "needs 8" },
            { "open with too much credit", [RawPeer.OpenFrame(1, credit: int.MaxValue)], "most" },
            { "request too long", [RawPeer.OpenFrame(1, requestBytes: Limits.MaxGuestRequest + 1)], "allowed" },
            { "empty data", [RawPeer.OpenFrame(1), RawPeer.Frame(FrameType.Data, 1, [])], "empty" },
            { "data after end", [RawPeer.OpenFrame(1), RawPeer.Frame(FrameType.End, 1, []), RawPeer.Frame(FrameType.Data, 1, [1])], "after its end" },
            { "end twice", [RawPeer.OpenFrame(1), RawPeer.Frame(FrameType.End, 1, []), RawPeer.Frame(FrameType.End, 1, [])], "after its end" },
            { "close of its own channel", [RawPeer.OpenFrame(1), RawPeer.Frame(FrameType.Close, 1, [])], "none is allowed" },
            { "credit of three bytes", [RawPeer.OpenFrame(1), RawPeer.Frame(FrameType.Credit, 1, [1, 2, 3])], "needs 4" },
            { "credit beyond all bounds", [RawPeer.OpenFrame(1), RawPeer.Frame(FrameType.Credit, 1, [255, 255, 255, 255])], "most" },
            { "reason too long", [RawPeer.OpenFrame(1), RawPeer.Frame(FrameType.Reset, 1, new byte[Limits.MaxReason + 1])], "allowed" },
            { "data beyond its credit", [RawPeer.OpenFrame(1), .. Enumerable.Repeat(RawPeer.Frame(FrameType.Data, 1, new byte[32 * 1024]), 3)], "credit" },
            { "one-byte frames beyond their credit", [RawPeer.OpenFrame(1), .. Enumerable.Repeat(RawPeer.Frame(FrameType.Data, 1, [7]), Limits.GuestOpenedWindow / 33 + 1)], "credit" },
        };
        return data;
    }

    [Theory]
    [MemberData(nameof(Violations))]
    public async Task A_broken_rule_ends_the_connection_with_a_sentence(string rule, byte[][] frames, string said)
    {
        await using var peer = await RawPeer.ConnectAsync();
        await peer.SendAsync(frames);
        var violation = await Assert.ThrowsAsync<ProtocolException>(() => peer.Host.Completion.WaitAsync(Patience));
        Assert.True(violation.Message.Contains(said, StringComparison.Ordinal), $"{rule}: {violation.Message}");
    }

    [Fact]
    public async Task A_frame_of_four_gigabytes_is_refused_before_any_of_it_is_kept()
    {
        await using var peer = await RawPeer.ConnectAsync();
        await peer.SendRawAsync([255, 255, 255, 255, (byte)FrameType.Data, 0, 0, 0, 1, 0, 0, 0]);
        await Assert.ThrowsAsync<ProtocolException>(() => peer.Host.Completion.WaitAsync(Patience));
    }

    [Fact]
    public async Task A_stream_that_ends_in_the_middle_of_a_frame_is_no_violation_but_an_error()
    {
        await using var peer = await RawPeer.ConnectAsync();
        await peer.SendRawAsync([1, 0, 0]);
        peer.HangUp();
        var violation = await Assert.ThrowsAsync<EndOfStreamException>(() => peer.Host.Completion.WaitAsync(Patience));
        Assert.Contains("middle of a frame", violation.Message);
    }

    [Fact]
    public async Task A_stream_that_ends_between_frames_ends_the_connection_without_an_error()
    {
        await using var peer = await RawPeer.ConnectAsync();
        peer.HangUp();
        await peer.Host.Completion.WaitAsync(Patience);
    }

    [Fact]
    public async Task One_channel_too_many_is_reset_and_the_connection_goes_on()
    {
        await using var peer = await RawPeer.ConnectAsync();
        var draining = peer.DrainAsync();
        for (var i = 0; i <= Limits.MaxPeerChannels; i++) await peer.SendAsync(RawPeer.OpenFrame((uint)(2 * i + 1)));
        var accepted = 0;
        await foreach (var channel in peer.Host.AcceptAsync(CancellationToken.None))
        {
            accepted++;
            if (accepted == Limits.MaxPeerChannels) break;
            GC.KeepAlive(channel);
        }

        Assert.False(peer.Host.Completion.IsCompleted);
        peer.HangUp();
        await draining.ContinueWith(static _ => { }, TaskScheduler.Default).WaitAsync(Patience);
    }

    [Fact]
    public async Task A_guest_that_provokes_answers_and_never_reads_them_is_ended()
    {
        await using var peer = await RawPeer.ConnectAsync();
        // Each open beyond the limit costs the host an answer.
        var sending = Task.Run(async () =>
        {
            try
            {
                for (var i = 0; !peer.Host.Completion.IsCompleted; i++) await peer.SendAsync(RawPeer.OpenFrame((uint)(2 * i + 1)));
            }
            catch (InvalidOperationException)
            {
                // The host has hung up on us.
            }
        });
        var violation = await Assert.ThrowsAsync<ProtocolException>(() => peer.Host.Completion.WaitAsync(TimeSpan.FromSeconds(60)));
        Assert.Contains("unread", violation.Message);
        await sending.WaitAsync(Patience);
    }

    [Fact]
    public async Task A_peer_of_another_version_is_told_to_be_rebuilt()
    {
        var (host, guest) = DuplexPair.Create();
        var opening = GuestConnection.OpenAsync(host, Role.Host, "host", CancellationToken.None);
        await guest.WriteAsync(RawPeer.Frame(FrameType.Hello, 0, new Hello(99, "old").ToPayload()));
        var refused = await Assert.ThrowsAsync<ProtocolException>(() => opening.WaitAsync(Patience));
        Assert.Contains("version 99", refused.Message);
    }

    [Theory]
    [InlineData("SSH-2.0-OpenSSH_9.2\r\n")]
    [InlineData("\0\0\0\0\0\0\0\0\0\0\0\0\0\0")]
    public async Task What_is_not_our_agent_is_refused_at_its_first_bytes(string banner)
    {
        var (host, guest) = DuplexPair.Create();
        var opening = GuestConnection.OpenAsync(host, Role.Host, "host", CancellationToken.None);
        await guest.WriteAsync(System.Text.Encoding.ASCII.GetBytes(banner));
        await Assert.ThrowsAsync<ProtocolException>(() => opening.WaitAsync(Patience));
    }

    [Property(MaxTest = 2000)]
    public void A_header_is_read_back_as_written_or_refused(byte type, byte lane, uint channel, ushort length)
    {
        Span<byte> bytes = stackalloc byte[Limits.HeaderSize];
        new FrameHeader(length, (FrameType)type, lane, channel).Write(bytes);
        try
        {
            Assert.Equal(new FrameHeader(length, (FrameType)type, lane, channel), FrameHeader.Read(bytes, Role.Guest));
            Assert.InRange(type, (byte)FrameType.Hello, (byte)FrameType.Reset);
        }
        catch (ProtocolException)
        {
            Assert.True(type is 0 or > 7 || length > (type == (byte)FrameType.Open ? Limits.MaxGuestRequest + 8 : Limits.MaxPayload));
        }
    }

    [Fact]
    public async Task Random_bytes_end_the_connection_with_a_violation_or_not_at_all()
    {
        var random = new Random(20260101);
        const int inputs = 3000;
        for (var i = 0; i < inputs; i++)
        {
            await using var peer = await RawPeer.ConnectAsync();
            var frames = Enumerable.Range(0, random.Next(1, 12)).Select(_ => RandomFrame(random)).ToArray();
            await peer.SendAsync(frames);
            peer.HangUp();
            try
            {
                await peer.Host.Completion.WaitAsync(Patience);
            }
            catch (Exception e) when (e is ProtocolException or EndOfStreamException)
            {
                // Refused, which is one of the two ways.
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{inputs} inputs tried");
    }

    /// <summary>Mostly well-formed, so that random input gets past the first check.</summary>
    private static byte[] RandomFrame(Random random)
    {
        var payload = new byte[random.Next(0, 40)];
        random.NextBytes(payload);
        var type = (FrameType)random.Next(1, 9);
        if (type == FrameType.Open && random.Next(4) != 0) return RawPeer.OpenFrame((uint)random.Next(0, 4), (ChannelKind)random.Next(0, 12), random.Next(0, 1 << 20));
        return RawPeer.Frame(type, (uint)random.Next(0, 6), payload, (byte)random.Next(0, 4));
    }
}
