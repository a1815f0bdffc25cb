using RunnerVm.Vmm.Monitor.Bus;
using Xunit;

namespace RunnerVm.Tests.Vmm.Bus;

public sealed class IoBusTests
{
    private readonly Recorder _low = new();
    private readonly Recorder _high = new();
    private readonly IoBus _bus;

    public IoBusTests() => _bus = new([new(0x2000, 0x10, _high), new(0x1000, 0x100, _low)]);

    [Theory]
    [InlineData(0xfff, 1, null)]
    [InlineData(0x1000, 1, "low 0")]
    [InlineData(0x10fc, 4, "low 252")]
    [InlineData(0x10fd, 4, null)] // Not all of it.
    [InlineData(0x1100, 1, null)]
    [InlineData(0x200f, 1, "high 15")]
    [InlineData(0x2010, 1, null)]
    [InlineData(ulong.MaxValue, 8, null)]
    public void An_access_finds_the_range_that_holds_all_of_it(ulong address, int length, string? found)
    {
        var data = new byte[length];
        _bus.Read(address, data);
        _bus.Write(address, data);
        Assert.Equal(found, _low.Last is { } low ? $"low {low}" : _high.Last is { } high ? $"high {high}" : null);
        Assert.Equal(found is null ? 2 : 0, _bus.Unclaimed);
        Assert.All(data, value => Assert.Equal(found is null ? 0xff : 0, value));
    }

    [Fact]
    public void Two_devices_at_one_address_are_a_mistake_of_ours() =>
        Assert.Throws<ArgumentException>(() => new IoBus([new(0, 8, _low), new(7, 1, _high)]));

    [Fact]
    public void An_access_allocates_nothing()
    {
        Span<byte> data = stackalloc byte[4];
        var before = 0L;
        for (var i = 0; i < 20_000; i++)
        {
            if (i == 10_000) before = GC.GetAllocatedBytesForCurrentThread();
            _bus.Write(0x1000, data);
            _bus.Read(0x2000, data);
            _bus.Read(0x3000, data);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private sealed class Recorder : IBusDevice
    {
        public ulong? Last { get; private set; }

        public void Read(ulong offset, Span<byte> into) => Last = offset;

        public void Write(ulong offset, ReadOnlySpan<byte> from) => Last = offset;
    }
}
