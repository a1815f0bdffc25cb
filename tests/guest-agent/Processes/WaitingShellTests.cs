using System.Diagnostics;
using RunnerVm.GuestAgent.Processes;
using Xunit;

namespace RunnerVm.Tests.GuestAgent.Processes;

/// <summary>A shell that was started before its step is, to the step, one that was started for it.</summary>
public sealed class WaitingShellTests : IDisposable
{
    private static readonly string[][] Bash = [["bash", "--noprofile", "--norc", "-eo", "pipefail", "{0}"]];
    private readonly string _folder = Directory.CreateTempSubdirectory("rvshell").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact(Timeout = 60_000)]
    public async Task It_looks_to_its_script_like_one_that_was_just_started()
    {
        const string script = """
            echo "$LINENO $0 ${BASH_SOURCE[0]} ${FUNCNAME[0]-main} $- $_ $? $SHLVL $SECONDS $HOSTNAME"
            shopt; set -o; alias; hash; umask; pwd
            env | grep -v '^_=' | sort
            where() { caller; echo "$LINENO"; }; where
            false | true || echo failed
            """;
        var (command, path) = Command();
        Dictionary<string, string> environment = new() { ["PATH"] = StepEnvironment.DefaultPath, ["HOME"] = "/root", ["SHELL"] = command.Program, ["A"] = "it's\n\"all\" $HOME `x` \\ ✓", ["EMPTY"] = "" };
        using var waiting = Fork(command);
        await File.WriteAllTextAsync(path, script, TestContext.Current.CancellationToken);
        Assert.True(waiting.TryStart(command, environment, _folder));
        Assert.Equal(await PlainAsync(command, environment), await ReadAsync(waiting));
        Assert.Equal(0, (await waiting.Child.Ended).ExitCode);
        Assert.Equal([path], Directory.GetFileSystemEntries(_folder));
    }

    [Fact(Timeout = 60_000)]
    public async Task Where_something_else_is_wanted_it_ends_and_runs_nothing()
    {
        var (command, path) = Command();
        var waiting = Fork(command);
        await File.WriteAllTextAsync(path, $"touch {_folder}/ran", TestContext.Current.CancellationToken);
        Assert.False(waiting.TryStart(command, new() { ["BASH_ENV"] = "x" }, _folder));
        Assert.False(waiting.TryStart(command, [], "/"));
        Assert.False(waiting.TryStart(command with { Arguments = ["bash", path] }, [], _folder));
        waiting.Dispose();
        Assert.Equal(127, (await waiting.Child.Ended).ExitCode);
        Assert.False(File.Exists($"{_folder}/ran"));
    }

    [Theory]
    [InlineData("BASH_ENV")]
    [InlineData("SHLVL")]
    [InlineData("UID")]
    [InlineData("a-b")]
    [InlineData("1st")]
    [InlineData("x;y")]
    public void Variables_that_a_shell_takes_otherwise_from_its_environment_are_not_told(string name) =>
        Assert.Null(WaitingShell.Words(new() { [name] = "1" }));

    [Fact]
    public void No_two_get_the_same_random_numbers() => Assert.NotEqual(WaitingShell.Words([]), WaitingShell.Words([]));

    private (CommandChoice Command, string Script) Command()
    {
        var script = Path.Combine(_folder, "script.sh");
        return (CommandChoice.Find(Bash, StepEnvironment.DefaultPath, _folder, script), script);
    }

    private WaitingChild Fork(CommandChoice command)
    {
        var waiting = WaitingChild.TryFork(cgroup: null, _folder, new ChildReaper(reapOrphans: false))!;
        waiting.BecomeShell(Bash, command, Path.Combine(_folder, "words"));
        return waiting;
    }

    private static async Task<string> ReadAsync(WaitingChild waiting)
    {
        await using var output = new FileStream(waiting.Output, FileAccess.Read, bufferSize: 0);
        using var reader = new StreamReader(output);
        return await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
    }

    private async Task<string> PlainAsync(CommandChoice command, Dictionary<string, string> environment)
    {
        var start = new ProcessStartInfo(command.Program, command.Arguments[1..]) { WorkingDirectory = _folder, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        start.Environment.Clear();
        foreach (var (name, value) in environment) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        // argv[0] is the full path here, and $_ with it.
        return output.Replace($" {command.Program} 0 ", " bash 0 ", StringComparison.Ordinal);
    }
}
