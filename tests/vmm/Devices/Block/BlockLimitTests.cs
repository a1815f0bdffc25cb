using Xunit;

namespace RunnerVm.Tests.Vmm.Devices.Block;

/// <summary>A rate limit.</summary>
public sealed class BlockLimitTests : BlockDisks
{
    [Fact]
    public void A_request_above_the_limit_waits_in_the_ring_and_is_served_when_its_time_comes()
    {
        var (disk, path) = Disk(sectors: 64, limiter: new() { Ops = new() { Size = 2, RefillTime = 100 } });
        var statuses = Enumerable.Range(0, 3).Select(_ => Status(disk)).ToArray();
        foreach (var status in statuses) disk.Queues[0].Add(disk.Place(Header(Out, 0)), disk.Place(Pattern(512)), status);
        disk.Queues[0].Kick();
        disk.Pump();
        Assert.Equal([Ok, Ok, Untouched], statuses.Select(status => disk.Bytes(status)[0]));
        Assert.Equal(1, Device(disk).Counters.Throttled);
        disk.PumpUntil(() => disk.Bytes(statuses[2])[0] == Ok, "the third request");
        Assert.Equal(3, disk.Queues[0].UsedIndex);
        Assert.Equal(Pattern(512), File.ReadAllBytes(path)[..512]);
    }

    [Fact]
    public void A_limit_taken_away_frees_what_waits()
    {
        var (disk, _) = Disk(sectors: 64, limiter: new() { Bandwidth = new() { Size = 512, RefillTime = 3_600_000 } });
        Assert.Equal((Ok, 513u), Request(disk, In, 0, disk.Reserve(512)));
        var status = Status(disk);
        disk.Queues[0].Add(disk.Place(Header(In, 0)), disk.Reserve(512), status);
        disk.Queues[0].Kick();
        disk.Pump();
        Assert.Equal(Untouched, disk.Bytes(status)[0]);
        disk.Transport.WithDevice(() => Device(disk).Update(null, new() { Bandwidth = new() { Size = 0, RefillTime = 0 } }));
        disk.PumpUntil(() => disk.Bytes(status)[0] == Ok, "the request that waits");
    }

    [Fact]
    public void A_reset_forgets_a_request_that_waits_and_keeps_what_was_used_of_the_limit()
    {
        var (disk, _) = Disk(sectors: 64, limiter: new() { Ops = new() { Size = 1, RefillTime = 3_600_000 } });
        Assert.Equal((Ok, 513u), Request(disk, In, 0, disk.Reserve(512)));
        disk.SetUp();
        var status = Status(disk);
        disk.Queues[0].Add(disk.Place(Header(In, 0)), disk.Reserve(512), status);
        disk.Queues[0].Kick();
        disk.Pump();
        Assert.Equal(Untouched, disk.Bytes(status)[0]);
        disk.Status = 0;
        disk.Transport.WithDevice(() => Device(disk).Update(null, new() { Ops = new() { Size = 0, RefillTime = 0 } }));
        disk.Pump();
        Assert.Equal(Untouched, disk.Bytes(status)[0]);
    }
}
