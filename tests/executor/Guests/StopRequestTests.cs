using Microsoft.Extensions.Time.Testing;
using RunnerVm.Guests;
using Xunit;

namespace RunnerVm.Tests.Executor.Guests;

public sealed class StopRequestTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Asked_then_killed_after_the_grace_then_abandoned()
    {
        using var stop = new StopRequest(_time, TimeSpan.FromSeconds(10));
        Assert.Equal((false, false, false), State(stop));
        _time.Advance(TimeSpan.FromHours(1));
        Assert.Equal((false, false, false), State(stop));
        stop.Ask();
        Assert.Equal((true, false, false), State(stop));
        _time.Advance(TimeSpan.FromSeconds(9.9));
        stop.Ask();
        Assert.Equal((true, false, false), State(stop));
        _time.Advance(TimeSpan.FromSeconds(0.1));
        Assert.Equal((true, true, false), State(stop));
        _time.Advance(TimeSpan.FromSeconds(2.9));
        Assert.Equal((true, true, false), State(stop));
        _time.Advance(TimeSpan.FromSeconds(0.1));
        Assert.Equal((true, true, true), State(stop));
    }

    [Fact]
    public void Abandoning_skips_all_patience_and_may_be_repeated()
    {
        using var stop = new StopRequest(_time, TimeSpan.FromSeconds(10));
        stop.Abandon();
        stop.Abandon();
        Assert.Equal((true, true, true), State(stop));
        _time.Advance(TimeSpan.FromMinutes(1));
    }

    [Fact]
    public void A_child_follows_its_parent_but_not_the_other_way_round()
    {
        using var parent = new StopRequest(_time, TimeSpan.FromSeconds(10));
        using var child = new StopRequest(_time, TimeSpan.FromSeconds(5), parent);
        using var other = new StopRequest(_time, TimeSpan.FromSeconds(5), parent);
        other.Abandon();
        Assert.Equal((false, false, false), State(parent));
        parent.Ask();
        Assert.Equal((true, false, false), State(child));
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal((true, true, false), State(child));
        parent.Abandon();
        Assert.Equal((true, true, true), State(child));
        using var late = new StopRequest(_time, TimeSpan.FromSeconds(5), parent);
        Assert.Equal((true, true, true), State(late));
    }

    [Fact]
    public void Regression_what_still_comes_after_the_end_does_no_harm()
    {
        var parent = new StopRequest(_time, TimeSpan.FromSeconds(1));
        var child = new StopRequest(_time, TimeSpan.FromSeconds(1), parent);
        child.Ask();
        child.Dispose();
        parent.Abandon();
        _time.Advance(TimeSpan.FromMinutes(1));
        child.Abandon();
        parent.Dispose();
        Assert.True(child.Asked.IsCancellationRequested);
    }

    private static (bool Asked, bool Killed, bool Abandoned) State(StopRequest stop) =>
        (stop.Asked.IsCancellationRequested, stop.Killed.IsCancellationRequested, stop.Abandoned.IsCancellationRequested);
}
