using FsCheck.Xunit;
using RunnerVm.Sources.GitLab;
using RunnerVm.Sources.GitLab.Payload;
using RunnerVm.Sources.GitLab.Variables;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitLab.Variables;

public sealed class VariableExpansionTests
{
    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("$A", "one")]
    [InlineData("${A}", "one")]
    [InlineData("x${A}y$B z", "xoney$A z")]
    [InlineData("$NONE-", "-")]
    [InlineData("${NONE}-", "-")]
    [InlineData("$$A", "$A")]
    [InlineData("$1$9$*$#$@$!$?x", "x")]
    [InlineData("cost: $ 5, $-, $", "cost: $ 5, $-, $")]
    [InlineData("$A_B", "")]
    [InlineData("${A", "${A")]
    [InlineData("$Aé", "oneé")]
    public void References_become_values_and_everything_else_stays(string text, string expected) =>
        Assert.Equal(expected, VariableExpansion.Expand(text, static name => name switch { "A" => "one", "B" => "$A", _ => null }));

    [Property]
    public bool Without_a_dollar_a_text_is_itself(string? text) =>
        text is null || text.Contains('$') || VariableExpansion.Expand(text, static _ => "x") == text;

    [Property]
    public void No_text_makes_it_throw_or_run_on(string? text) =>
        VariableExpansion.Expand(text + "${" + text + "$", static _ => "$x");

    [Fact]
    public void The_last_of_a_name_wins_and_what_is_brought_in_is_not_read_again()
    {
        var variables = Of(("A", "old"), ("B", "<$A>"), ("A", "$C"), ("C", "deep"));
        Assert.Equal("<$C>", variables.Find("B"));
        Assert.Equal("deep", variables.Find("A"));
        Assert.Equal(["A", "B", "C"], variables.Ordered.Select(static v => v.Key));
    }

    [Fact]
    public void Raw_values_stay_and_file_variables_are_their_paths()
    {
        var variables = new JobVariables(
            [Plain("A", "1"), Plain("RAW", "$A") with { Raw = true }, Plain("FILE", "content $A") with { File = true }, Plain("B", "$RAW $FILE")], static name => $"/files/{name}");
        Assert.Equal("$A", variables.Find("RAW"));
        Assert.Equal("/files/FILE", variables.Find("FILE"));
        Assert.Equal("$A /files/FILE", variables.Find("B"));
        Assert.Equal("content 1", variables.Ordered.Single(static v => v.File).Value);
    }

    [Fact]
    public void References_without_end_are_refused_before_they_fill_the_memory()
    {
        var bomb = Of(("A", new string('x', 200_000)), ("B", "short")).Ordered.Append(Plain("C", string.Concat(Enumerable.Repeat("$A", 10_000))));
        Assert.Contains("longer than", Assert.Throws<JobRefusedException>(() => new JobVariables(bomb, static n => n)).Message);
    }

    [Theory]
    [InlineData("true", false, true)]
    [InlineData("0", true, false)]
    [InlineData("yes", true, true)]
    [InlineData("yes", false, false)]
    public void A_switch_is_read_as_GitLab_does(string text, bool otherwise, bool expected) => Assert.Equal(expected, Of(("S", text)).Flag("S", otherwise));

    internal static JobVariables Of(params (string Name, string Value)[] all) => new(all.Select(static v => Plain(v.Name, v.Value)), static name => $"/files/{name}");

    internal static JobVariable Plain(string name, string value) => new(name, value, Public: true, File: false, Masked: false, Raw: false);
}
