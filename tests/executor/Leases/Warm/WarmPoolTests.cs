using System.Threading.Channels;
using Microsoft.Extensions.Time.Testing;
using RunnerVm.Images;
using RunnerVm.Leases.Warm;
using RunnerVm.Machines;
using RunnerVm.Snapshots;
using RunnerVm.Tests.Executor.Jobs;
using Xunit;

namespace RunnerVm.Tests.Executor.Leases.Warm;

public sealed class WarmPoolTests
{
    private const int Limit = 60_000;
    private const long Mib = 1L << 20;

    private readonly Channel<FakeMachine> _made = Channel.CreateUnbounded<FakeMachine>();
    private readonly Channel<string> _told = Channel.CreateUnbounded<string>();
    private readonly FakeTimeProvider _time = new();
    private int _refusals;

    [Fact(Timeout = Limit)]
    public async Task What_is_taken_is_replaced_and_taken_once()
    {
        await using var pool = Start(Kind("a", wanted: 2));
        var (first, second) = (await NextAsync(), await NextAsync());
        await SaidAsync("2 wait.");
        Assert.Same(first, pool.TryTake("a"));
        Assert.Same(second, pool.TryTake("a"));
        var third = await NextAsync();
        await NextAsync();
        Assert.NotSame(first, third);
        Assert.Null(pool.TryTake("b"));
        Assert.False(first.IsDisposed);
        await first.DisposeAsync();
        await second.DisposeAsync();
    }

    [Fact(Timeout = Limit)]
    public async Task No_more_wait_than_the_memory_they_may_need_allows()
    {
        await using var pool = Start(new WarmPoolOptions { MostBytes = 1100 * Mib, AvailableBytes = static () => 100_000 * Mib }, Kind("a", wanted: 3), Kind("b", wanted: 3));
        await SaidAsync("there is no memory for more");
        await SaidAsync("there is no memory for more");
        Assert.Equal(2, pool.Waiting.Values.Sum());
    }

    [Fact(Timeout = Limit)]
    public async Task A_host_that_is_short_of_memory_gets_no_machine_that_would_take_the_last_of_it()
    {
        await using var pool = Start(new WarmPoolOptions { MostBytes = long.MaxValue, AvailableBytes = static () => 1600 * Mib }, Kind("a", wanted: 5));
        await SaidAsync("2 wait instead of 5");
        Assert.Equal(2, pool.Waiting.Values.Single());
    }

    [Fact(Timeout = Limit)]
    public async Task What_nobody_asks_for_is_thrown_away_and_made_again_for_who_asks()
    {
        await using var pool = Start(Kind("a", wanted: 1));
        var machine = await NextAsync();
        await SaidAsync("1 wait.");
        await AdvanceUntilAsync(() => machine.IsDisposed);
        await SaidAsync("1 thrown away");
        Assert.Equal(0, pool.Waiting.Values.Single());
        Assert.Null(pool.TryTake("a"));
        await NextAsync();
        await SaidAsync("1 wait.");
        Assert.NotNull(pool.TryTake("a"));
    }

    [Fact(Timeout = Limit)]
    public async Task One_that_dies_while_it_waits_is_replaced_and_never_handed_out()
    {
        await using var pool = Start(Kind("a", wanted: 1));
        var machine = await NextAsync();
        await SaidAsync("1 wait.");
        machine.Die(1);
        var next = await NextAsync();
        Assert.True(machine.IsDisposed);
        await UntilAsync(() => pool.Waiting.Values.Single() == 1);
        Assert.Same(next, pool.TryTake("a"));
    }

    [Fact(Timeout = Limit)]
    public async Task A_restore_that_fails_is_told_and_tried_again()
    {
        _refusals = 2;
        await using var pool = Start(Kind("a", wanted: 1));
        await SaidAsync("The next try is in 1 s");
        await AdvanceUntilAsync(() => _made.Reader.TryRead(out _));
        await SaidAsync("The next try is in 2 s");
        await SaidAsync("1 wait.");
    }

    [Fact(Timeout = Limit)]
    public async Task The_end_of_the_pool_is_the_end_of_all_that_wait()
    {
        FakeMachine[] machines;
        await using (Start(Kind("a", wanted: 2)))
        {
            machines = [await NextAsync(), await NextAsync()];
            await SaidAsync("2 wait.");
        }

        Assert.All(machines, static m => Assert.True(m.IsDisposed));
    }

    internal static WarmKind Kind(string name, int wanted) =>
        new(new(name, []), new(new MachineFiles("", "", ""), 1, 512, Mib, Network: true, Disks: []), name, wanted);

    private WarmPool Start(params WarmKind[] kinds) => Start(new WarmPoolOptions { MostBytes = long.MaxValue, AvailableBytes = static () => 100_000 * Mib }, kinds);

    private WarmPool Start(WarmPoolOptions options, params WarmKind[] kinds)
    {
        var pool = new WarmPool(kinds, RestoreAsync, options, text => _told.Writer.TryWrite(text), _time);
        pool.Start();
        return pool;
    }

    private Task<Machine> RestoreAsync(WarmKind kind, CancellationToken cancellationToken)
    {
        if (Interlocked.Decrement(ref _refusals) >= 0) throw new MachineException("No.");
        var machine = new FakeMachine(static m => Task.Delay(Timeout.Infinite, m.Gone));
        _made.Writer.TryWrite(machine);
        return Task.FromResult<Machine>(machine);
    }

    private async Task<FakeMachine> NextAsync() => await _made.Reader.ReadAsync(TestContext.Current.CancellationToken);

    private async Task SaidAsync(string part)
    {
        while (!(await _told.Reader.ReadAsync(TestContext.Current.CancellationToken)).Contains(part, StringComparison.Ordinal))
        {
        }
    }

    /// <summary>Sets the clock forward until something has come of it: the loop may only be about to wait.</summary>
    private async Task AdvanceUntilAsync(Func<bool> condition)
    {
        await UntilAsync(() =>
        {
            if (condition()) return true;
            _time.Advance(TimeSpan.FromMinutes(1));
            return false;
        });
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        while (!condition()) await tick.WaitForNextTickAsync(TestContext.Current.CancellationToken);
    }
}
