using System.Security.Cryptography;
using RunnerVm.GuestProtocol;
using Xunit;

namespace RunnerVm.Tests.GuestProtocol;

public sealed class GuestConnectionTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private static async Task<(GuestConnection Host, GuestConnection Guest)> ConnectAsync()
    {
        var (a, b) = DuplexPair.Create();
        var host = GuestConnection.OpenAsync(a, Role.Host, "host 1", CancellationToken.None);
        var guest = GuestConnection.OpenAsync(b, Role.Guest, "guest 1", CancellationToken.None);
        return (await host, await guest);
    }

    private static async Task<GuestChannel> AcceptOneAsync(GuestConnection connection)
    {
        await foreach (var channel in connection.AcceptAsync(CancellationToken.None)) return channel;
        throw new InvalidOperationException("no channel");
    }

    [Fact]
    public async Task Hellos_name_the_builds()
    {
        var (host, guest) = await ConnectAsync();
        await using var _ = host;
        await using var __ = guest;
        Assert.Equal("guest 1", host.Peer.Build);
        Assert.Equal("host 1", guest.Peer.Build);
    }

    [Fact]
    public async Task A_call_carries_its_request_its_data_in_lanes_and_its_result()
    {
        var (host, guest) = await ConnectAsync();
        await using var _ = host;
        await using var __ = guest;
        var request = RandomNumberGenerator.GetBytes(3_000_000);
        await using var call = host.Open(ChannelKind.Exec, request);
        var served = await AcceptOneAsync(guest);
        Assert.Equal(request, served.Request.ToArray());
        await served.WriteAsync(0, "out"u8.ToArray());
        await served.WriteAsync(1, "err"u8.ToArray());
        served.Close("done"u8);

        var first = await call.ReadAsync();
        Assert.Equal((0, "out"), (first!.Value.Lane, System.Text.Encoding.UTF8.GetString(first.Value.Bytes.Span)));
        var second = await call.ReadAsync();
        Assert.Equal((1, "err"), (second!.Value.Lane, System.Text.Encoding.UTF8.GetString(second.Value.Bytes.Span)));
        Assert.Null(await call.ReadAsync());
        Assert.Equal("done"u8.ToArray(), await call.Result.WaitAsync(Patience));
    }

    [Fact]
    public async Task Megabytes_in_both_directions_arrive_whole_on_many_channels_at_once()
    {
        var (host, guest) = await ConnectAsync();
        await using var _ = host;
        await using var __ = guest;
        var echo = Task.Run(async () =>
        {
            var running = new List<Task>();
            await foreach (var channel in guest.AcceptAsync(CancellationToken.None)) running.Add(EchoAsync(channel));
            await Task.WhenAll(running);
        });

        await Task.WhenAll(Enumerable.Range(0, 20).Select(i => RoundTripAsync(host, seed: i))).WaitAsync(Patience);
        await host.DisposeAsync();
        await echo.WaitAsync(Patience);
    }

    private static async Task EchoAsync(GuestChannel channel)
    {
        while (await channel.ReadAsync() is { } piece) await channel.WriteAsync(piece.Lane, piece.Bytes);
        channel.End();
    }

    private static async Task RoundTripAsync(GuestConnection host, int seed)
    {
        var random = new Random(seed);
        var sent = new byte[random.Next(1, 2_000_000)];
        random.NextBytes(sent);
        await using var channel = host.Open(ChannelKind.Dial, []);
        var writing = Task.Run(async () =>
        {
            for (var at = 0; at < sent.Length;)
            {
                var size = Math.Min(random.Next(1, 200_000), sent.Length - at);
                await channel.WriteAsync(sent.AsMemory(at, size));
                at += size;
            }

            channel.End();
        });
        var back = new MemoryStream();
        await channel.AsStream().CopyToAsync(back);
        await writing;
        Assert.Equal(sent, back.ToArray());
    }

    [Fact]
    public async Task A_writer_whose_reader_sleeps_is_stopped_after_one_window()
    {
        var (host, guest) = await ConnectAsync();
        await using var _ = host;
        await using var __ = guest;
        await using var channel = host.Open(ChannelKind.Exec, [], window: 100_000);
        var served = await AcceptOneAsync(guest);
        long sent = 0;
        var writing = Task.Run(async () =>
        {
            var piece = new byte[1000];
            for (var i = 0; i < 1000; i++)
            {
                await served.WriteAsync(piece);
                Interlocked.Add(ref sent, piece.Length);
            }

            served.Close([]);
        });

        await Task.WhenAny(writing, Task.Delay(500));
        Assert.False(writing.IsCompleted);
        Assert.InRange(Interlocked.Read(ref sent), 90_000, 100_000);

        long received = 0;
        while (await channel.ReadAsync() is { } piece) received += piece.Bytes.Length;
        await writing.WaitAsync(Patience);
        Assert.Equal(1_000_000, received);
    }

    [Fact]
    public async Task One_channel_that_nobody_reads_does_not_hold_up_another()
    {
        var (host, guest) = await ConnectAsync();
        await using var _ = host;
        await using var __ = guest;
        await using var stuck = host.Open(ChannelKind.Exec, []);
        var flooded = await AcceptOneAsync(guest);
        var flood = Task.Run(async () =>
        {
            while (true) await flooded.WriteAsync(new byte[60_000]);
        });
        await using var lively = host.Open(ChannelKind.Exec, []);
        var served = await AcceptOneAsync(guest);
        served.Close("still here"u8);
        Assert.Equal("still here"u8.ToArray(), await lively.Result.WaitAsync(Patience));
        await host.DisposeAsync();
        await Assert.ThrowsAnyAsync<IOException>(() => flood.WaitAsync(Patience));
    }

    [Fact]
    public async Task Half_close_lets_the_other_direction_go_on()
    {
        var (host, guest) = await ConnectAsync();
        await using var _ = host;
        await using var __ = guest;
        await using var channel = guest.Open(ChannelKind.Dial, []);
        var served = await AcceptOneAsync(host);
        await channel.WriteAsync("question"u8.ToArray());
        channel.End();
        Assert.Equal("question"u8.ToArray(), (await served.ReadAsync())!.Value.Bytes.ToArray());
        Assert.Null(await served.ReadAsync());
        await served.WriteAsync("answer"u8.ToArray());
        served.End();
        Assert.Equal("answer"u8.ToArray(), (await channel.ReadAsync())!.Value.Bytes.ToArray());
        Assert.Null(await channel.ReadAsync());
    }

    [Fact]
    public async Task A_reset_carries_its_reason_to_reader_writer_and_result()
    {
        var (host, guest) = await ConnectAsync();
        await using var _ = host;
        await using var __ = guest;
        await using var channel = guest.Open(ChannelKind.Dial, []);
        var served = await AcceptOneAsync(host);
        served.Reset("denied by policy");
        var read = await Assert.ThrowsAsync<ChannelResetException>(async () => await channel.ReadAsync());
        Assert.Equal("denied by policy", read.Message);
        await Assert.ThrowsAsync<ChannelResetException>(async () => await channel.WriteAsync(new byte[1]));
        await Assert.ThrowsAsync<ChannelResetException>(() => channel.Result);
    }

    [Fact]
    public async Task Data_that_crosses_a_reset_on_the_wire_is_dropped_in_peace()
    {
        var (host, guest) = await ConnectAsync();
        await using var _ = host;
        await using var __ = guest;
        for (var i = 0; i < 200; i++)
        {
            var channel = host.Open(ChannelKind.Exec, []);
            var served = await AcceptOneAsync(guest);
            var writing = Task.Run(async () =>
            {
                try
                {
                    while (true) await served.WriteAsync(new byte[100]);
                }
                catch (ChannelResetException)
                {
                    // What this is about.
                }
            });
            if (i % 2 == 0) await channel.ReadAsync();
            await channel.DisposeAsync();
            await writing.WaitAsync(Patience);
        }

        Assert.False(host.Completion.IsCompleted);
        Assert.False(guest.Completion.IsCompleted);
    }

    [Fact]
    public async Task When_the_connection_ends_everybody_who_waits_is_told()
    {
        var (host, guest) = await ConnectAsync();
        await using var _ = host;
        await using var channel = host.Open(ChannelKind.Exec, []);
        var reading = channel.ReadAsync().AsTask();
        await guest.DisposeAsync();
        await Assert.ThrowsAnyAsync<IOException>(() => reading.WaitAsync(Patience));
        await Assert.ThrowsAnyAsync<IOException>(() => channel.Result.WaitAsync(Patience));
        await host.Completion.WaitAsync(Patience);
        Assert.Throws<ChannelResetException>(() => host.Open(ChannelKind.Exec, []));
    }
}
