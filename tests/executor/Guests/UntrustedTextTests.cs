using FsCheck.Xunit;
using RunnerVm.Guests;
using Xunit;

namespace RunnerVm.Tests.Executor.Guests;

public sealed class UntrustedTextTests
{
    [Theory]
    [InlineData("plain ünïcode", "plain ünïcode")]
    [InlineData("  around  ", "around")]
    [InlineData("a\u001b[31mb\u0007\r\nc\td\0e\u007f\u009bf", "a [31mb   c d e  f")]
    [InlineData("right\u202eleft\u2066x\u200b", "right left x")]
    [InlineData("one\u2028two\u2029three\u0085four", "one two three four")]
    [InlineData("", "")]
    [InlineData(null, "")]
    public void Only_plain_text_is_left(string? text, string expected) => Assert.Equal(expected, UntrustedText.Line(text));

    [Fact]
    public void A_long_text_is_cut_and_marked()
    {
        Assert.Equal(new string('x', 400), UntrustedText.Line(new string('x', 400)));
        Assert.Equal(new string('x', 400) + "…", UntrustedText.Line(new string('x', 1_000_000)));
    }

    [Property(MaxTest = 1000)]
    public void Whatever_comes_is_one_bounded_line(string? text)
    {
        var line = UntrustedText.Line(text);
        Assert.True(line.Length <= 401);
        Assert.DoesNotContain(line, static c => char.IsControl(c) || char.IsSurrogate(c) || c is '\u2028' or '\u2029');
    }
}
