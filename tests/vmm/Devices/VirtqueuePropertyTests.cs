using FsCheck;
using FsCheck.Fluent;
using RunnerVm.Vmm.Monitor.Devices.Virtio;
using RunnerVm.Vmm.Native.Memory;
using Xunit;

namespace RunnerVm.Tests.Vmm.Devices;

/// <summary>The queue against a plain model, under drivers that write anything.</summary>
public sealed class VirtqueuePropertyTests
{
    private const int MemoryBytes = 1 << 16, Table = 0, Available = 0x1000, Used = 0x2000, IndirectTables = 0x4000;

    /// <summary>Room for 1024 descriptors, all zeroes: empty requests.</summary>
    private const int LargeTable = 0x8000;

    private const int Capacity = 12;

    [Fact]
    public void Any_descriptors_become_the_chain_they_are_or_break_the_queue()
    {
        int inputs = 0, chains = 0, broken = 0, throughIndirect = 0;
        Prop.ForAll(Arb.From(Gen.Choose(int.MinValue, int.MaxValue)), seed =>
        {
            inputs++;
            var random = new Random(seed);
            var size = 1 << random.Next(0, 6);
            var indirectAllowed = random.Next(4) > 0;
            var bytes = new byte[MemoryBytes];
            random.NextBytes(bytes);
            WriteTable(random, bytes, Table, size, depth: 0);
            for (var i = 0; i < 8; i++) WriteTable(random, bytes, IndirectTables + (i * 0x400), random.Next(1, 40), depth: 1);
            var heads = Enumerable.Range(0, size).Select(_ => random.Next(20) == 0 ? random.Next(1 << 16) : random.Next(size)).ToArray();
            for (var i = 0; i < size; i++) BitConverter.TryWriteBytes(bytes.AsSpan(Available + 4 + (i * 2)), (ushort)heads[i]);
            BitConverter.TryWriteBytes(bytes.AsSpan(Available + 2), (ushort)size);

            using var memory = new GuestMemory([new(new(0), MappedRegion.Anonymous(MemoryBytes))]);
            memory.Write(new(0), bytes);
            var queue = Queue(memory, size, eventIndex: random.Next(2) == 0, indirectAllowed, () => { });
            memory.Read(new(0), bytes); // the queue has written used.flags
            var model = new VirtqueueModel(bytes, size, Table, indirectAllowed, Capacity);
            var chain = new DescriptorChain(Capacity);
            foreach (var head in heads)
            {
                var expected = model.Walk(head);
                try
                {
                    if (!queue.TryPop(chain)) return false;
                    if (expected is null || chain.Head != head) return false;
                    if (!Same(expected.Readable, chain.Readable) || !Same(expected.Writable, chain.Writable)) return false;
                    chains++;
                    if (expected.Readable.Concat(expected.Writable).Count() > size) throughIndirect++;
                    // What was put back comes again.
                    if (random.Next(8) == 0)
                    {
                        queue.UndoPop();
                        if (!queue.TryPop(chain) || chain.Head != head) return false;
                    }
                }
                catch (BrokenDeviceException)
                {
                    broken++;
                    return expected is null;
                }
            }

            return !queue.TryPop(chain);
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(20_000));
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{inputs} rings: {chains} chains, {throughIndirect} of them longer than the ring; {broken} rings broken");
        Assert.True(chains > 1000 && broken > 1000 && throughIndirect > 10, $"{chains}, {broken}, {throughIndirect}");
    }

    [Fact]
    public void Interrupts_come_exactly_when_the_driver_asked_for_one_of_what_was_given_back()
    {
        int inputs = 0, interrupts = 0, wraps = 0;
        Prop.ForAll(Arb.From(Gen.Choose(int.MinValue, int.MaxValue)), seed =>
        {
            inputs++;
            var random = new Random(seed);
            using var memory = new GuestMemory([new(new(0), MappedRegion.Anonymous(MemoryBytes))]);
            var size = 1 << random.Next(0, 11);
            var eventIndex = random.Next(4) > 0;
            var count = 0;
            var queue = Queue(memory, size, eventIndex, indirect: true, () => count++, LargeTable);
            ushort available = 0, used = 0, signalled = 0;
            var chain = new DescriptorChain(Capacity);
            for (var batch = 0; batch < 300; batch++)
            {
                var requests = random.Next(size + 1);
                for (var i = 0; i < requests; i++) memory.Write(At(Available + 4 + ((available + i) % size * 2)), (ushort)random.Next(size));
                available += (ushort)requests;
                memory.Write(At(Available + 2), available);
                for (var i = 0; i < requests; i++)
                {
                    if (!queue.TryPop(chain)) return false;
                    queue.Push(chain.Head, (uint)used);
                    if (memory.Read<uint>(At(Used + 4 + (used % size * 8))) != chain.Head) return false;
                    if (memory.Read<uint>(At(Used + 8 + (used % size * 8))) != used) return false;
                    used++;
                    if (used == 0) wraps++;
                    if (memory.Read<ushort>(At(Used + 2)) != used) return false;
                }

                if (queue.TryPop(chain)) return false;
                // An empty ring asks for the next request.
                if (eventIndex && memory.Read<ushort>(At(Used + 4 + (size * 8))) != available) return false;

                var wanted = (ushort)(random.Next(3) == 0 ? random.Next(1 << 16) : used - random.Next(size + 2));
                var quiet = random.Next(2) == 0;
                memory.Write(At(Available + 4 + (size * 2)), wanted);
                memory.Write(At(Available), (ushort)(quiet ? 1 : 0));
                var expected = false;
                for (var i = signalled; i != used; i++) expected |= eventIndex ? i == wanted : !quiet;
                signalled = used;
                var before = count;
                queue.NotifyDriver();
                queue.NotifyDriver(); // nothing new: nothing told
                if (count - before != (expected ? 1 : 0)) return false;
                if (expected) interrupts++;
            }

            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(300));
        TestContext.Current.TestOutputHelper?.WriteLine($"{inputs} runs of 300 batches: {interrupts} interrupts, {wraps} times round 2^16");
        Assert.True(interrupts > 1000 && wraps > 10);
    }

    [Fact]
    public void An_index_that_runs_away_breaks_the_queue_wherever_it_runs()
    {
        var inputs = 0;
        foreach (var size in new[] { 1, 2, 16, 1024 })
        {
            using var memory = new GuestMemory([new(new(0), MappedRegion.Anonymous(MemoryBytes))]);
            for (var at = 0; at <= ushort.MaxValue; at++)
            {
                inputs++;
                var queue = Queue(memory, size, eventIndex: (at & 1) == 0, indirect: true, () => { }, LargeTable);
                memory.Write(At(Available + 2), (ushort)at);
                var chain = new DescriptorChain(Capacity);
                if (at <= size) Assert.Equal(at > 0, queue.TryPop(chain));
                else Assert.Equal("avail.idx", Assert.Throws<BrokenDeviceException>(() => queue.TryPop(chain)).Where);
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{inputs} indices");
        Assert.Equal(4 * 65536, inputs);
    }

    [Fact]
    public void A_driver_that_writes_while_we_read_gets_a_checked_chain_or_breaks_its_queue()
    {
        using var memory = new GuestMemory([new(new(0), MappedRegion.Anonymous(MemoryBytes))]);
        using var stop = new CancellationTokenSource();
        var hostile = new Thread(() =>
        {
            var random = new Random(1);
            var bytes = new byte[16 * 16];
            while (!stop.IsCancellationRequested)
            {
                WriteTable(random, bytes, 0, 16, depth: 0);
                memory.Write(new(Table), bytes);
                WriteTable(random, bytes, 0, 16, depth: 1);
                memory.Write(new(IndirectTables), bytes);
                memory.Write(At(Available + 2), (ushort)random.Next(20));
            }
        });
        hostile.Start();
        int chains = 0, broken = 0;
        try
        {
            var chain = new DescriptorChain(Capacity);
            for (var i = 0; i < 50_000; i++)
            {
                var queue = Queue(memory, 16, eventIndex: true, indirect: true, () => { });
                try
                {
                    while (queue.TryPop(chain))
                    {
                        chains++;
                        // Whatever was read, it lies inside: touching the last byte of each piece would crash us otherwise.
                        foreach (var buffers in new[] { chain.Readable, chain.Writable })
                        {
                            for (var piece = 0; piece < buffers.Count; piece++)
                                Assert.True(memory.Contains(buffers[piece].Address, buffers[piece].Length));
                        }
                    }
                }
                catch (BrokenDeviceException)
                {
                    broken++;
                }
            }
        }
        finally
        {
            stop.Cancel();
            hostile.Join();
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{chains} chains, {broken} breaks");
        Assert.True(chains > 0 && broken > 0);
    }

    /// <summary>Descriptors that are mostly right, and wrong in every way a driver can think of.</summary>
    private static void WriteTable(Random random, byte[] bytes, int at, int count, int depth)
    {
        for (var i = 0; i < count; i++)
        {
            var descriptor = bytes.AsSpan(at + (i * 16), 16);
            var indirect = random.Next(depth == 0 ? 6 : 60) == 0;
            var address = indirect ? (ulong)(IndirectTables + (random.Next(8) * 0x400)) : (ulong)random.Next(MemoryBytes);
            if (random.Next(40) == 0) address = random.Next(3) switch { 0 => (ulong)random.NextInt64(), 1 => ulong.MaxValue - (ulong)random.Next(9), _ => MemoryBytes };
            var length = indirect ? (uint)random.Next(1, 41) * 16 : (uint)random.Next(64);
            if (random.Next(40) == 0) length = random.Next(4) switch { 0 => 0, 1 => uint.MaxValue, 2 => (uint)random.Next(), _ => MemoryBytes };
            // Mostly readable ones first, so that long chains are legal.
            var flags = (random.Next(4) == 0 ? 0 : 1) | (random.Next(count) < i ? 2 : 0) | (indirect ? 4 : 0);
            if (indirect && random.Next(8) > 0) flags &= ~1;
            if (random.Next(60) == 0) flags = random.Next(1 << 16);
            var next = random.Next(12) switch { 0 => random.Next(count + 2), 1 => random.Next(60) == 0 ? random.Next(1 << 16) : i + 1, _ => i + 1 };
            BitConverter.TryWriteBytes(descriptor, address);
            BitConverter.TryWriteBytes(descriptor[8..], length);
            BitConverter.TryWriteBytes(descriptor[12..], (ushort)flags);
            BitConverter.TryWriteBytes(descriptor[14..], (ushort)next);
        }
    }

    private static Virtqueue Queue(GuestMemory memory, int size, bool eventIndex, bool indirect, Action interrupt, int table = Table)
    {
        var queue = new Virtqueue("model", 0, 1024)
        {
            Size = (ushort)size, Ready = true, DescriptorTable = At(table), DriverArea = new(Available), DeviceArea = new(Used),
        };
        queue.Activate(memory, eventIndex, indirect, interrupt);
        return queue;
    }

    private static GuestAddress At(int offset) => new((ulong)offset);

    private static bool Same(List<(ulong Address, uint Length)> expected, GuestBuffers actual)
    {
        if (expected.Count != actual.Count || expected.Sum(static part => part.Length) != actual.Length) return false;
        for (var i = 0; i < expected.Count; i++)
            if (actual[i].Address.Value != expected[i].Address || actual[i].Length != expected[i].Length) return false;
        return true;
    }
}
