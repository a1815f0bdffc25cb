using FsCheck;
using FsCheck.Fluent;
using RunnerVm.Vmm.Native.Memory;
using Xunit;

namespace RunnerVm.Tests.Vmm.Native;

public sealed class GuestBuffersTests
{
    [Fact]
    public void Scattered_buffers_are_one_run_of_bytes()
    {
        var inputs = 0;
        using var memory = new GuestMemory([new(new(0x1000), MappedRegion.Anonymous(4096))]);
        var buffers = new GuestBuffers(8);
        Prop.ForAll(Arb.From(Gen.Choose(int.MinValue, int.MaxValue)), seed =>
        {
            inputs++;
            var random = new Random(seed);
            buffers.Clear();
            // The model: the address of each byte.
            var bytes = new List<ulong>();
            for (var piece = random.Next(9); piece > 0; piece--)
            {
                var (address, length) = (0x1000 + (ulong)(piece * 100), (uint)random.Next(50));
                if (!buffers.TryAdd(memory, new(address), length)) return false;
                for (uint i = 0; i < length; i++) bytes.Add(address + i);
            }

            for (var step = 0; step < 12; step++)
            {
                if (buffers.Length != bytes.Count) return false;
                var (offset, some) = (random.Next(bytes.Count + 5), new byte[random.Next(60)]);
                var there = Math.Clamp(bytes.Count - offset, 0, some.Length);
                switch (random.Next(5))
                {
                    case 0:
                        random.NextBytes(some);
                        if (buffers.CopyFrom((uint)offset, some) != there) return false;
                        for (var i = 0; i < there; i++) if (memory.Read<byte>(new(bytes[offset + i])) != some[i]) return false;
                        break;
                    case 1:
                        if (buffers.CopyTo((uint)offset, some) != there) return false;
                        for (var i = 0; i < there; i++) if (memory.Read<byte>(new(bytes[offset + i])) != some[i]) return false;
                        break;
                    case 2:
                        if (buffers.TrySkip((uint)offset) != (offset <= bytes.Count)) return false;
                        if (offset <= bytes.Count) bytes.RemoveRange(0, offset);
                        break;
                    case 3:
                        buffers.Truncate((uint)offset);
                        if (offset < bytes.Count) bytes.RemoveRange(offset, bytes.Count - offset);
                        break;
                    default:
                        if (buffers.TryTakeLastByte() != bytes.Count > 0) return false;
                        if (bytes.Count == 0) break;
                        buffers.WriteTakenByte((byte)step);
                        if (memory.Read<byte>(new(bytes[^1])) != step) return false;
                        bytes.RemoveAt(bytes.Count - 1);
                        break;
                }
            }

            // And the pieces still say where they are.
            var at = 0;
            for (var piece = 0; piece < buffers.Count; piece++)
                for (uint i = 0; i < buffers[piece].Length; i++) if (buffers[piece].Address.Value + i != bytes[at++]) return false;
            return at == bytes.Count;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(20_000));
        TestContext.Current.TestOutputHelper?.WriteLine($"{inputs} requests of 12 steps");
        Assert.Equal(20_000, inputs);
    }

    [Fact]
    public void Too_many_pieces_too_many_bytes_and_other_memory_are_refused()
    {
        using var memory = new GuestMemory([new(new(0x1000), MappedRegion.Anonymous(4096))]);
        var buffers = new GuestBuffers(2);
        Assert.Throws<GuestMemoryException>(() => buffers.TryAdd(memory, new(0xfff), 1));
        Assert.Throws<GuestMemoryException>(() => buffers.TryAdd(memory, new(0x1fff), 2));
        Assert.Throws<GuestMemoryException>(() => buffers.TryAdd(memory, new(ulong.MaxValue), 2));
        Assert.Equal((0, 0u), (buffers.Count, buffers.Length));
        Assert.True(buffers.TryAdd(memory, new(0x1000), 4096));
        Assert.True(buffers.TryAdd(memory, new(0x2000), 0));
        Assert.False(buffers.TryAdd(memory, new(0x1000), 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => buffers[2]);
    }

    [Fact]
    public void Random_bytes_fill_as_much_as_was_asked_for_and_no_more()
    {
        using var memory = new GuestMemory([new(new(0), MappedRegion.Anonymous(1 << 20))]);
        var buffers = new GuestBuffers(4);
        buffers.TryAdd(memory, new(0), 3);
        buffers.TryAdd(memory, new(100), 0);
        buffers.TryAdd(memory, new(0x1000), 300_000);
        Assert.Equal(200_003, buffers.FillRandom(200_003));
        Assert.Equal(0, memory.Read<int>(new(0x1000 + 200_000)));
        Assert.Equal(0, memory.Read<byte>(new(3)));
        Assert.NotEqual(0ul, memory.Read<ulong>(new(0x1000 + 199_992)));
    }
}
