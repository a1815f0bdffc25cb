using RunnerVm.Jobs;
using RunnerVm.Leases;
using Xunit;

namespace RunnerVm.Tests.Executor.Leases;

public sealed class CapacityTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Capacity _capacity = new(3, new(4, 4096));

    [Fact]
    public async Task What_is_taken_is_waited_for_and_given_back_once()
    {
        var all = await _capacity.ReserveAsync(new(4, 4096), CancellationToken.None);
        var waiting = _capacity.ReserveAsync(new(1, 1), CancellationToken.None);
        Assert.False(waiting.IsCompleted);
        all.Dispose();
        all.Dispose();
        using var one = await waiting.WaitAsync(Patience, CancellationToken.None);
        Assert.False(_capacity.ReserveAsync(new(4, 1), CancellationToken.None).IsCompleted);
    }

    [Fact]
    public async Task A_large_job_that_waits_is_not_passed_by_small_ones()
    {
        var first = await _capacity.ReserveAsync(new(2, 1024), CancellationToken.None);
        var large = _capacity.ReserveAsync(new(4, 1024), CancellationToken.None);
        var small = _capacity.ReserveAsync(new(1, 1024), CancellationToken.None);
        Assert.False(small.IsCompleted);
        first.Dispose();
        (await large.WaitAsync(Patience, CancellationToken.None)).Dispose();
        (await small.WaitAsync(Patience, CancellationToken.None)).Dispose();
    }

    [Fact]
    public async Task Who_gives_up_lets_the_next_one_through()
    {
        using var first = await _capacity.ReserveAsync(new(2, 1024), CancellationToken.None);
        using var patience = new CancellationTokenSource();
        var large = _capacity.ReserveAsync(new(4, 1024), patience.Token);
        var small = _capacity.ReserveAsync(new(1, 1024), CancellationToken.None);
        await patience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => large);
        (await small.WaitAsync(Patience, CancellationToken.None)).Dispose();
    }

    [Fact]
    public async Task A_reservation_shrinks_to_what_the_job_needs()
    {
        using var one = await _capacity.ReserveAsync(new(4, 4096), CancellationToken.None);
        one.ShrinkTo(new(1, 1024));
        using var two = await _capacity.ReserveAsync(new(3, 3072), CancellationToken.None).WaitAsync(Patience, CancellationToken.None);
        Assert.Throws<ArgumentException>(() => two.ShrinkTo(new(4, 1)));
    }

    [Fact]
    public async Task The_number_of_jobs_is_a_bound_of_its_own()
    {
        for (var i = 0; i < 3; i++) await _capacity.ReserveAsync(new(1, 1), CancellationToken.None);
        Assert.False(_capacity.ReserveAsync(new(1, 1), CancellationToken.None).IsCompleted);
    }

    [Fact]
    public Task What_never_fits_is_refused_at_once() =>
        Assert.ThrowsAsync<ArgumentException>(() => _capacity.ReserveAsync(new MachineSize(5, 1), CancellationToken.None));
}
