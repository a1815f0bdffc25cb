using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using RunnerVm.Options;
using Xunit;

namespace RunnerVm.Tests.Executor.Options;

public sealed class DurationTests
{
    [Theory]
    [InlineData("30m", 1800)]
    [InlineData("1h30m", 5400)]
    [InlineData("90s", 90)]
    [InlineData("2 hours 30 minutes", 9000)]
    [InlineData("1h 30 min", 5400)]
    [InlineData("1.5h", 5400)]
    [InlineData("1 Day", 86400)]
    [InlineData("1d2h3m4s", 93784)]
    [InlineData("500ms", 0.5)]
    [InlineData(" 1 sec ", 1)]
    public void Durations_are_read_as_people_write_them(string text, double seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), Duration.Parse(text));

    [Theory]
    [InlineData("30", "\"30s\" for seconds or \"30m\"")]
    [InlineData("1.5", "has no unit")]
    [InlineData("", "expected a duration")]
    [InlineData(null, "expected a duration")]
    [InlineData("-5m", "negative")]
    [InlineData("0s", "more than zero")]
    [InlineData("0.1ms", "more than zero")]
    [InlineData("30m1h", "larger first")]
    [InlineData("1h1h", "once")]
    [InlineData("1h30", "without a unit")]
    [InlineData("5 fortnights", "no unit of time")]
    [InlineData("1:30", "no duration")]
    [InlineData("h", "no duration")]
    [InlineData("1h-5m", "no duration")]
    [InlineData("99999999999d", "too long")]
    [InlineData("10675199d 23h", "too long")]
    [InlineData("99999999999999999999999999999999999999d", "too long")]
    public void What_is_no_duration_is_refused_with_a_reason(string? text, string reason)
    {
        Assert.False(Duration.TryParse(text, out _, out var problem));
        Assert.Contains(reason, problem);
        Assert.Equal(problem, Assert.Throws<FormatException>(() => Duration.Parse(text)).Message);
    }

    [Fact]
    public void The_longest_span_reads_back()
    {
        var longest = new TimeSpan(TimeSpan.MaxValue.Ticks / TimeSpan.TicksPerMillisecond * TimeSpan.TicksPerMillisecond);
        Assert.Equal(longest, Duration.Parse(Duration.Format(longest)));
    }

    [Property(MaxTest = 500)]
    public Property A_formatted_duration_reads_back() => Prop.ForAll(
        ArbMap.Default.ArbFor<long>(), ArbMap.Default.ArbFor<byte>(),
        (number, shift) =>
        {
            var limit = TimeSpan.MaxValue.Ticks / TimeSpan.TicksPerMillisecond;
            var span = new TimeSpan(Math.Max(1, ((number & long.MaxValue) >> (shift % 63)) % limit) * TimeSpan.TicksPerMillisecond);
            return Duration.Parse(Duration.Format(span)) == span;
        });

    [Property(MaxTest = 1000)]
    public bool No_text_does_anything_but_parse_or_give_a_problem(string? text) =>
        Duration.TryParse(text, out var time, out var problem) ? time > TimeSpan.Zero && problem is null : problem!.Length > 0;

    [Property(MaxTest = 1000)]
    public Property No_text_of_likely_characters_does_either() => Prop.ForAll(
        Arb.From(Gen.Elements("0123456789.- dhmsin".ToCharArray()).ArrayOf().Select(c => new string(c))),
        text => Duration.TryParse(text, out var time, out var problem) ? time > TimeSpan.Zero : problem!.Length > 0);
}
