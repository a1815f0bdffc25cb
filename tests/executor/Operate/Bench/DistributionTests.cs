using FsCheck;
using FsCheck.Fluent;
using RunnerVm.Operate.Bench;
using Xunit;

namespace RunnerVm.Tests.Executor.Operate.Bench;

public sealed class DistributionTests
{
    private static readonly Arbitrary<(double[] Samples, double Percent)> Inputs = (
        from count in Gen.Choose(1, 300)
        from samples in Gen.Choose(0, 100_000).ArrayOf(count)
        from permille in Gen.Choose(1, 1000)
        select (samples.Select(static s => s / 10.0).ToArray(), permille / 10.0)).ToArbitrary();

    [Fact]
    public void A_percentile_is_the_smallest_value_seen_that_so_many_do_not_exceed() => Prop.ForAll(Inputs, static input =>
    {
        var (samples, percent) = input;
        var value = new Distribution(samples).Percentile(percent);
        var wanted = percent / 100 * samples.Length;
        return samples.Contains(value)
            && samples.Count(s => s <= value) >= wanted - 1e-9
            && samples.Count(s => s < value) < wanted + 1e-9;
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_order_of_measuring_does_not_matter_and_percentiles_rise() => Prop.ForAll(Inputs, static input =>
    {
        var (one, other) = (new Distribution(input.Samples), new Distribution(input.Samples.Reverse()));
        return one.Percentile(input.Percent) == other.Percentile(input.Percent)
            && one.P50 <= one.P95 && one.P95 <= one.P99 && one.P99 <= one.Samples[^1] && one.Percentile(100) == one.Samples[^1]
            && one.Mean >= one.Samples[0] - 1e-9 && one.Mean <= one.Samples[^1] + 1e-9;
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Of_twenty_the_tenth_is_the_median_the_nineteenth_the_95th_and_the_last_the_99th()
    {
        var values = new Distribution(Enumerable.Range(1, 20).Select(static i => (double)i));
        Assert.Equal((10, 19, 20, 10.5), (values.P50, values.P95, values.P99, values.Mean));
    }

    [Fact]
    public void Nothing_has_no_distribution() => Assert.Throws<ArgumentException>(() => new Distribution([]));
}
