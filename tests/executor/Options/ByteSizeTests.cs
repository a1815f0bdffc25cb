using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using RunnerVm.Options;
using Xunit;

namespace RunnerVm.Tests.Executor.Options;

public sealed class ByteSizeTests
{
    [Theory]
    [InlineData("2048MB", 2048L << 20)]
    [InlineData("2GiB", 2L << 30)]
    [InlineData("512M", 512L << 20)]
    [InlineData("1.5g", 3L << 29)]
    [InlineData(" 10 kb ", 10240)]
    [InlineData("1tib", 1L << 40)]
    [InlineData("0.5K", 512)]
    [InlineData("100 bytes", 100)]
    [InlineData("7B", 7)]
    [InlineData("1.1B", 1)]
    [InlineData("8388607T", 8388607L << 40)]
    public void Sizes_are_read_as_people_write_them(string text, long bytes) => Assert.Equal(bytes, ByteSize.Parse(text));

    [Theory]
    [InlineData("2048", "\"2048MB\"")]
    [InlineData("", "expected a size")]
    [InlineData(null, "expected a size")]
    [InlineData("-5MB", "negative")]
    [InlineData("0MB", "more than zero")]
    [InlineData("0.1B", "more than zero")]
    [InlineData("8388608T", "too large")]
    [InlineData("99999999999999999999999999999999T", "too large")]
    [InlineData("5XB", "no unit of size")]
    [InlineData("5MBs", "no unit of size")]
    [InlineData("1e3MB", "no unit of size")]
    [InlineData("1.2.3MB", "no size")]
    [InlineData("MB", "no size")]
    [InlineData("1,5GB", "no unit of size")]
    public void What_is_no_size_is_refused_with_a_reason(string? text, string reason)
    {
        Assert.False(ByteSize.TryParse(text, out _, out var problem));
        Assert.Contains(reason, problem);
        Assert.Equal(problem, Assert.Throws<FormatException>(() => ByteSize.Parse(text)).Message);
    }

    [Property(MaxTest = 500)]
    public Property A_formatted_size_reads_back() => Prop.ForAll(
        ArbMap.Default.ArbFor<long>(), ArbMap.Default.ArbFor<byte>(),
        (number, shift) =>
        {
            var bytes = Math.Max(1, (number & long.MaxValue) >> (shift % 63) << (shift % 41) & long.MaxValue);
            return ByteSize.Parse(ByteSize.Format(bytes)) == bytes;
        });

    [Property(MaxTest = 1000)]
    public bool No_text_does_anything_but_parse_or_give_a_problem(string? text) =>
        ByteSize.TryParse(text, out var bytes, out var problem) ? bytes > 0 && problem is null : problem!.Length > 0;

    [Property(MaxTest = 1000)]
    public Property No_text_of_likely_characters_does_either() => Prop.ForAll(
        Arb.From(Gen.Elements("0123456789.-+ kKmMgGtTiIbBe,_\t".ToCharArray()).ArrayOf().Select(c => new string(c))),
        text => ByteSize.TryParse(text, out var bytes, out var problem) ? bytes > 0 : problem!.Length > 0);
}
