using System.Diagnostics;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using RunnerVm.Sources.Local;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.Local;

/// <summary>Scripts are run by the real shells of this machine, exactly as the guest agent runs them.</summary>
public sealed class ScriptTextTests
{
    public static TheoryData<string> Shells => ["bash", "sh"];

    [Theory, MemberData(nameof(Shells))]
    public void Each_command_is_shown_before_it_runs(string shell) =>
        Check(shell, 0, "$ echo one\none\n$ echo two\ntwo\n", "echo one", "echo two");

    [Theory, MemberData(nameof(Shells))]
    public void Entries_share_one_shell(string shell) =>
        Check(shell, 0, "$ a=1\n$ cd /\n$ f() { echo \"$a $PWD\"; }\n$ f\n1 /\n", "a=1", "cd /", "f() { echo \"$a $PWD\"; }", "f");

    [Theory, MemberData(nameof(Shells))]
    public void The_first_failing_entry_ends_the_script_with_its_status(string shell)
    {
        Check(shell, 7, "$ (exit 7)\n", "(exit 7)", "echo never");
        Check(shell, 8, "$ exit 8\n", "exit 8", "echo never");
        Check(shell, 1, "$ false; echo never\n", "false; echo never", "echo never");
    }

    [Theory, MemberData(nameof(Shells))]
    public void A_list_that_e_overlooks_ends_nothing_unless_it_is_last(string shell)
    {
        Check(shell, 0, "$ false && echo no\n$ echo on\non\n", "false && echo no", "echo on");
        Check(shell, 1, "$ echo on\non\n$ false && echo no\n", "echo on", "false && echo no");
    }

    [Fact]
    public void A_failure_inside_a_pipe_counts_in_bash() =>
        Check("bash", 1, "$ false | cat\n", "false | cat", "echo never");

    [Theory, MemberData(nameof(Shells))]
    public void A_command_is_shown_but_never_interpreted(string shell) =>
        Check(
            shell, 0,
            "$ : '$(echo pwned)' `true` \"$HOME\" \\n %s !x\n$ echo 'it'\\''s'\nit's\n",
            ": '$(echo pwned)' `true` \"$HOME\" \\n %s !x", "echo 'it'\\''s'");

    [Theory, MemberData(nameof(Shells))]
    public void Of_several_lines_the_first_is_shown(string shell) =>
        Check(shell, 0, "$ if true; then …\ninside\n$ echo x\nx\n", "if true; then\n  echo inside\nfi\n", "\necho x\n");

    [Theory, MemberData(nameof(Shells))]
    public void Comments_and_hashes_stay_in_their_entry(string shell) =>
        Check(shell, 0, "$ echo a # comment\na\n$ # only a comment\n$ echo 'a#b'\na#b\n", "echo a # comment", "# only a comment", "echo 'a#b'");

    [Theory, MemberData(nameof(Shells))]
    public void Here_documents_end_in_their_entry(string shell) =>
        Check(shell, 0, "$ cat <<'EOF' …\nit's $5 \\\n$ echo after\nafter\n", "cat <<'EOF'\nit's $5 \\\nEOF", "echo after");

    [Theory, MemberData(nameof(Shells))]
    public void An_open_here_document_does_not_swallow_the_next_entry(string shell) =>
        Assert.Contains("$ echo after\nafter\n", Run(shell, "cat <<EOF\ntext", "echo after").Output);

    [Theory, MemberData(nameof(Shells))]
    public void A_final_backslash_does_not_join_the_next_entry(string shell) =>
        Check(shell, 0, "$ echo a \\\na\n$ echo b \\\nb\n", "echo a \\", "echo b \\");

    [Theory, MemberData(nameof(Shells))]
    public void An_open_quote_fails_its_own_entry(string shell)
    {
        var (status, output) = Run(shell, "echo start", "echo 'open", "echo '; touch /nonexistent/x'");
        Assert.NotEqual(0, status);
        Assert.Equal("$ echo start\nstart\n$ echo 'open\n", output);
    }

    [Fact]
    public void Control_characters_are_not_shown() =>
        Assert.StartsWith("printf '%s\\n' '$ echo  [31mred'\n", ScriptText.From(["echo \u001b[31mred"]));

    [Fact]
    public void Windows_line_endings_become_plain_ones() => Assert.DoesNotContain('\r', ScriptText.From(["a\r\nb\r\n"]));

    [Property(MaxTest = 60)]
    public Property Any_argument_arrives_as_written() => Prop.ForAll(
        Arb.From(Gen.Elements("ab '\"\\$`!#%;&|<>(){}*?~\n".ToCharArray()).ArrayOf().Select(c => new string(c))),
        text =>
        {
            var quoted = "'" + text.Replace("'", "'\\''") + "'";
            var (status, output) = Run("sh", $"printf 'result:%s:end' {quoted}");
            return status == 0 && output.EndsWith($"\nresult:{text}:end", StringComparison.Ordinal);
        });

    private static void Check(string shell, int status, string output, params string[] entries) =>
        Assert.Equal((status, output), Run(shell, entries));

    private static (int Status, string Output) Run(string shell, params string[] entries)
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, ScriptText.From(entries));
            var options = shell == "bash" ? new[] { "--noprofile", "--norc", "-eo", "pipefail", file } : ["-e", file];
            using var process = Process.Start(new ProcessStartInfo("/bin/" + shell, options)
            {
                RedirectStandardOutput = true, RedirectStandardError = true,
            })!;
            process.ErrorDataReceived += (_, _) => { };
            process.BeginErrorReadLine();
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, output);
        }
        finally
        {
            File.Delete(file);
        }
    }
}
