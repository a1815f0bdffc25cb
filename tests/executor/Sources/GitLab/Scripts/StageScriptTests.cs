using FsCheck;
using FsCheck.Xunit;
using RunnerVm.Sources.GitLab;
using RunnerVm.Sources.GitLab.Scripts;
using RunnerVm.Tests.Executor.Sources.GitLab.Variables;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitLab.Scripts;

public sealed class StageScriptTests
{
    private static readonly GuestPaths Paths = new(Path.GetTempPath().TrimEnd('/'));

    public static TheoryData<string> Shells => ["bash", "sh"];

    [Theory]
    [MemberData(nameof(Shells))]
    public async Task Values_of_any_kind_reach_the_scripts_programs_unchanged(string shell)
    {
        const string nasty = "it's \"quoted\" $HOME `id` \\n\n\ttwo lines\r\n€ \u001b[0m !x";
        var script = Begin(("V", nasty.Replace("$", "$$", StringComparison.Ordinal))).Line("printenv V").ToString();
        Assert.Equal(nasty + "\n", (await Shell.RunAsync(script, shell)).StandardOutput);
    }

    [Property(MaxTest = 15)]
    public void Every_word_survives_quoting(NonNull<string> word)
    {
        // A lone half of a surrogate pair has no UTF-8.
        var text = new string([.. word.Get.Where(static c => c != '\0' && !char.IsSurrogate(c))]);
        var done = Shell.RunAsync($"printf %s {ShellScript.Quote(text)}").GetAwaiter().GetResult();
        Assert.Equal(text, done.StandardOutput);
    }

    [Theory]
    [MemberData(nameof(Shells))]
    public async Task A_value_too_long_for_execve_is_the_scripts_and_not_its_programs(string shell)
    {
        var script = Begin(("BIG", new string('x', 200_000)), ("SMALL", "s")).Line("echo ${#BIG}; printenv BIG >/dev/null || echo none; printenv SMALL").ToString();
        var done = await Shell.RunAsync(script, shell);
        Assert.Equal("200000\nnone\ns\n", done.StandardOutput);
        Assert.Equal(["BIG"], StageScript.Unexported(VariableExpansionTests.Of(("BIG", new string('x', 200_000)), ("SMALL", "s"))));
    }

    [Fact]
    public async Task Fifty_values_of_100_KB_leave_room_to_start_programs()
    {
        var many = Enumerable.Range(0, 50).Select(static i => ($"V{i}", new string('y', 100_000))).ToArray();
        var done = await Shell.RunAsync(Begin(many).Line("/bin/true && echo ${#V49}").ToString());
        Assert.Equal("100000\n", done.StandardOutput);
    }

    [Theory]
    [MemberData(nameof(Shells))]
    public async Task The_first_command_that_fails_ends_the_script_with_its_code(string shell)
    {
        var done = await Shell.RunAsync(Begin().Command("echo one").Command("(exit 7)").Command("echo two").ToString(), shell);
        Assert.Equal(7, done.ExitCode);
        Assert.Equal("\e[32;1m$ echo one\e[0;m\none\n\e[32;1m$ (exit 7)\e[0;m\n", done.StandardOutput);
    }

    [Fact]
    public async Task In_bash_a_pipe_fails_with_its_first_part() =>
        Assert.Equal(3, (await Shell.RunAsync(Begin().Command("(exit 3) | cat").ToString())).ExitCode);

    [Fact]
    public async Task Of_a_command_of_several_lines_the_first_is_shown()
    {
        var done = await Shell.RunAsync(Begin().Command("echo a\necho b\n").ToString());
        Assert.Equal("\e[32;1m$ echo a # collapsed multi-line command\e[0;m\na\nb\n", done.StandardOutput);
    }

    [Fact]
    public async Task A_script_of_5_MB_runs()
    {
        var script = Begin();
        for (var i = 0; i < 50_000; i++) script.Line($": {new string('c', 100)}");
        var done = await Shell.RunAsync(script.Line("echo end").ToString());
        Assert.Equal("end\n", done.StandardOutput);
    }

    [Fact]
    public async Task Names_that_are_none_for_a_shell_are_left_out()
    {
        var done = await Shell.RunAsync(Begin(("a b; echo evil", "x"), ("1X", "y"), ("GOOD", "z")).Line("echo $GOOD").ToString());
        Assert.Equal((0, "z\n"), (done.ExitCode, done.StandardOutput));
    }

    private static ShellScript Begin(params (string, string)[] variables) => StageScript.Begin(VariableExpansionTests.Of(variables), Paths);
}
