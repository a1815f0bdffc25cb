using System.Buffers;
using System.Text;
using System.Text.RegularExpressions;
using System.Text.Unicode;
using FsCheck;
using FsCheck.Fluent;
using RunnerVm.Logs;
using Xunit;

namespace RunnerVm.Tests.Executor.Logs;

public sealed partial class TerminalSanitizerTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("plain text\r\n\ttab", "plain text\r\n\ttab")]
    [InlineData("grün ✓ 🔑", "grün ✓ 🔑")]
    [InlineData("\e[1;31mred\e[0m", "\e[1;31mred\e[0m")]
    [InlineData("\e[38:2::10:20:30mx\e[m", "\e[38:2::10:20:30mx\e[m")]
    [InlineData("spin\b/\b-", "spin\b/\b-")]
    [InlineData("a\e[2J\e[H\e[10;10Hb", "ab")]
    [InlineData("a\e[?1049h\e[?25lb", "ab")]
    [InlineData("a\e[>4;1mb", "ab")]
    [InlineData("a\e[1 mb", "ab")]
    [InlineData("a\e]0;title\ab", "ab")]
    [InlineData("a\e]52;c;c2VjcmV0\e\\b", "ab")]
    [InlineData("\e]8;;http://x\e\\link\e]8;;\e\\", "link")]
    [InlineData("a\ePq#0;2;0\e\\b\e_x\e\\c\e^y\e\\d\eXz\e\\e", "abcde")]
    [InlineData("a\e(0b\ecc\e7d", "abcd")]
    [InlineData("a\u0007\0\u007f\u000e\vb", "ab")]
    [InlineData("a\u009b2Jb\u009dtitle\ac\u0085d", "abcd")]
    [InlineData("\u009b31mred", "\e[31mred\e[0m")]
    [InlineData("a\e]no end\nnext line", "a\nnext line")]
    [InlineData("a\e[31", "a")]
    [InlineData("a\e[3\u001831m", "a31m")]
    [InlineData("a\e[31\e[32mb", "a\e[32mb\e[0m")]
    [InlineData("a\e[éb", "aéb")]
    public void Only_text_and_colours_pass(string text, string expected)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Assert.Equal(expected, Sanitize(bytes, [bytes.Length]));
        Assert.Equal(expected, Sanitize(bytes, [.. Enumerable.Range(0, bytes.Length)]));
    }

    [Fact]
    public void Too_many_colour_parameters_are_dropped() =>
        Assert.Equal("ab", Sanitize(Encoding.UTF8.GetBytes($"a\e[{new string('1', 65)}mb"), []));

    [Fact]
    public void String_sequence_without_an_end_hides_no_more_than_its_bound()
    {
        string text = "\e]0;" + new string('x', TerminalSanitizer.MaximumString + 100);
        Assert.InRange(Sanitize(Encoding.UTF8.GetBytes(text), []).Length, 100, 110);
    }

    [Fact]
    public void Bytes_that_are_no_utf8_become_replacement_characters() =>
        Assert.Equal("a\uFFFDb\uFFFD(\uFFFD", Sanitize([(byte)'a', 0xFF, (byte)'b', 0xC3, (byte)'(', 0xE2, 0x82], []));

    [Fact]
    public void Escape_after_a_cut_character_still_begins_a_sequence() =>
        Assert.Equal("\uFFFDx", Sanitize([0xE2, 0x82, 0x1B, (byte)'[', (byte)'2', (byte)'J', (byte)'x'], []));

    [Fact]
    public void Anything_becomes_text_and_well_formed_colours_whatever_the_chunks()
    {
        string[] pieces = ["\e", "\e[", "\e]", "[", "m", "31", ";", "?", "\u009b", "é", "\n", "\a", "text", "\eP", "\\", "\u0018", "🔑"];
        Gen<byte[]> pieceGen = Gen.OneOf(
            Gen.Elements(pieces).Select(Encoding.UTF8.GetBytes),
            Gen.Choose(0, 255).Select(value => new[] { (byte)value }));
        var inputs = from all in pieceGen.ArrayOf()
                     let bytes = all.SelectMany(piece => piece).ToArray()
                     from cuts in Gen.Choose(0, bytes.Length).ArrayOf()
                     select (bytes, cuts);
        int tried = 0;
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(10_000).WithEndSize(40), Prop.ForAll(inputs.ToArbitrary(), input =>
        {
            tried++;
            string whole = Sanitize(input.bytes, []);
            Assert.Equal(whole, Sanitize(input.bytes, input.cuts));
            Assert.DoesNotMatch(Forbidden(), Color().Replace(whole, ""));
            Match last = Color().Matches(whole).LastOrDefault() ?? Match.Empty;
            Assert.DoesNotMatch("[1-9:]", last.Value.Replace("\e[", "", StringComparison.Ordinal));
        }));
        output.WriteLine($"{tried} inputs");
    }

    [GeneratedRegex("\e\\[[0-9:;]{0,64}m")]
    private static partial Regex Color();

    [GeneratedRegex("[\0-\u0007\u000b\u000c\u000e-\u001f\u007f-\u009f]")]
    private static partial Regex Forbidden();

    private static string Sanitize(byte[] bytes, int[] cuts)
    {
        var sanitizer = new TerminalSanitizer();
        var safe = new ArrayBufferWriter<byte>();
        int from = 0;
        foreach (int cut in cuts.Order().Append(bytes.Length))
        {
            sanitizer.Write(bytes.AsSpan(from..cut), safe);
            from = cut;
        }

        sanitizer.Complete(safe);
        Assert.False(sanitizer.IsColorOpen);
        Assert.True(Utf8.IsValid(safe.WrittenSpan));
        return Encoding.UTF8.GetString(safe.WrittenSpan);
    }
}
