using RunnerVm.GuestAgent.Processes;
using Xunit;

namespace RunnerVm.Tests.GuestAgent.Processes;

public sealed class CommandChoiceTests : IDisposable
{
    private const UnixFileMode Executable = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_first_candidate_whose_program_exists_is_chosen_and_gets_the_script()
    {
        var sh = _folder.Write("bin/sh", "", Executable);

        var choice = CommandChoice.Find([["bash", "-e", "{0}"], ["sh", "-e", "{0}"]], $"/nowhere:{_folder.Combine("bin")}", "/", "/run/s.sh");

        Assert.Equal(sh, choice.Program);
        Assert.Equal(["sh", "-e", "/run/s.sh"], choice.Arguments);
    }

    [Fact]
    public void A_program_with_a_slash_starts_from_the_working_directory_and_not_from_path()
    {
        var tool = _folder.Write("tools/run", "", Executable);
        Assert.Equal(tool, CommandChoice.Find([["tools/run"]], "", _folder.Path, null).Program);
    }

    [Fact]
    public void A_folder_of_the_programs_name_is_passed_over()
    {
        Directory.CreateDirectory(_folder.Combine("a/sh"));
        var sh = _folder.Write("b/sh", "", Executable);
        Assert.Equal(sh, CommandChoice.Find([["sh"]], $"{_folder.Combine("a")}:{_folder.Combine("b")}", "/", null).Program);
    }

    [Fact]
    public void Without_any_program_the_sentence_names_them_all()
    {
        var refusal = Assert.Throws<CannotStartException>(() => CommandChoice.Find([["bash"], ["sh"]], "/nowhere", "/", null));
        Assert.Contains("bash, sh", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_not_executable_is_named()
    {
        var path = _folder.Write("tool", "");
        var refusal = Assert.Throws<CannotStartException>(() => CommandChoice.Find([["tool"]], _folder.Path, "/", null));
        Assert.Contains($"{path} cannot be started: it is not executable", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Path_and_home_are_added_only_where_they_are_missing()
    {
        var environment = StepEnvironment.Complete(new() { ["HOME"] = "/somewhere" });
        Assert.Equal("/somewhere", environment["HOME"]);
        Assert.Equal(StepEnvironment.DefaultPath, environment["PATH"]);
    }

    [Fact]
    public void A_variable_that_is_too_long_is_named_without_its_value()
    {
        var refusal = Assert.Throws<CannotStartException>(() => StepEnvironment.Complete(new() { ["SMALL"] = "s", ["LARGE"] = new string('q', 200_000) }));
        Assert.Contains("LARGE", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("qq", refusal.Message, StringComparison.Ordinal);
    }
}
