using System.Diagnostics;
using RunnerVm.Guests;
using RunnerVm.Jobs;
using Xunit;

namespace RunnerVm.Tests.Executor.Guests;

public sealed class WorkspaceTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("rvwork").FullName;

    private string Source => Directory.CreateDirectory(Path.Join(_root, "source")).FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task In_a_repository_go_what_git_tracks_and_what_it_does_not_ignore()
    {
        await GitAsync("init", "-q");
        foreach (var name in new[] { "tracked", "-dash", "new\nline", "quote\"'", "ünïcode ☃", "deep/er/file", "deleted", "tool.sh" }) Write(name, name);
        File.SetUnixFileMode(Path.Join(Source, "tool.sh"), (UnixFileMode)0x1ED);
        File.CreateSymbolicLink(Path.Join(Source, "link"), "deep/er");
        File.CreateSymbolicLink(Path.Join(Source, "dangling"), "nowhere");
        Write(".gitignore", "ignored\nbuild/\n");
        await GitAsync("add", "-A");
        await GitAsync("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "x");
        File.Delete(Path.Join(Source, "deleted"));
        Write("untracked", "u");
        Write("ignored", "i");
        Write("build/out", "i");
        Directory.CreateDirectory(Path.Join(Source, "empty"));
        await ShellAsync("mkfifo pipe");

        string[] expected = ["-dash", ".gitignore", "dangling", "deep/er/file", "link", "new\nline", "quote\"'", "tool.sh", "tracked", "untracked", "ünïcode ☃"];
        Assert.Equal(expected, await ListAsync());
        var unpacked = await UnpackAsync();
        Assert.Equal("new\nline", File.ReadAllText(Path.Join(unpacked, "new\nline")));
        Assert.Equal("deep/er", new FileInfo(Path.Join(unpacked, "link")).LinkTarget);
        Assert.Equal("nowhere", new FileInfo(Path.Join(unpacked, "dangling")).LinkTarget);
        Assert.True(File.GetUnixFileMode(Path.Join(unpacked, "tool.sh")).HasFlag(UnixFileMode.UserExecute));
        Assert.False(File.GetUnixFileMode(Path.Join(unpacked, "tracked")).HasFlag(UnixFileMode.UserExecute));
    }

    [Fact]
    public async Task A_submodule_and_a_repository_inside_go_by_their_own_rules()
    {
        await GitAsync("init", "-q");
        await ShellAsync("""
            git init -q ../other && cd ../other && echo m > module && git add -A && git -c user.name=t -c user.email=t@e commit -qm x
            cd ../source && git -c protocol.file.allow=always submodule --quiet add ../other sub && echo o > sub/own && echo hidden > sub/.gitignore && echo x > sub/hidden
            git init -q inner && echo i > inner/file && mkdir -p empty-sub && echo t > top
            """);
        Assert.Equal([".gitmodules", "inner/file", "sub/.gitignore", "sub/module", "sub/own", "top"], await ListAsync());
    }

    [Fact]
    public async Task A_folder_of_a_repository_is_listed_from_itself()
    {
        await GitAsync("init", "-q");
        Write("top", "x");
        Write("part/file", "x");
        Assert.Equal(["file"], await WorkspaceFiles.ListAsync(new(Path.Join(Source, "part")), default));
    }

    [Fact]
    public async Task Everything_means_everything_and_so_does_a_folder_without_git()
    {
        Write("a/b", "x");
        Write(".hidden", "x");
        Directory.CreateDirectory(Path.Join(Source, "empty/folder"));
        File.CreateSymbolicLink(Path.Join(Source, "link"), "a");
        await ShellAsync("mkfifo pipe; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"sock\")'");
        string[] expected = [".hidden", "a", "a/b", "empty", "empty/folder", "link"];
        Assert.Equal(expected, await ListAsync());
        var unpacked = await UnpackAsync();
        Assert.True(Directory.Exists(Path.Join(unpacked, "empty/folder")));

        await GitAsync("init", "-q");
        Write(".gitignore", "a\n");
        Assert.Equal([".gitignore", ".hidden", "link"], await ListAsync());
        Assert.Contains("a/b", await ListAsync(everything: true));
        Assert.Contains(".git/HEAD", await ListAsync(everything: true));
    }

    [Fact]
    public async Task Regression_a_repositorys_own_programs_are_not_run_to_list_it()
    {
        await GitAsync("init", "-q");
        Write("hook", "#!/bin/sh\ntouch " + Path.Join(_root, "ran") + "\n");
        File.SetUnixFileMode(Path.Join(Source, "hook"), (UnixFileMode)0x1ED);
        await GitAsync("config", "core.fsmonitor", Path.Join(Source, "hook"));
        Assert.Equal(["hook"], await ListAsync());
        Assert.False(File.Exists(Path.Join(_root, "ran")));
    }

    [Fact]
    public async Task A_file_that_grows_or_shrinks_or_vanishes_does_not_break_the_archive()
    {
        foreach (var name in new[] { "a", "grows", "shrinks", "vanishes", "with/folder", "z" }) Write(name, new string('x', 100_000));
        var files = await ListAsync();
        var archive = new WorkspaceArchive(Source, files);
        Assert.Equal(600_000, archive.MeasureBytes());
        var tar = Path.Join(_root, "living.tar");
        var changed = false;
        await using (var target = File.Create(tar))
        {
            await archive.WriteAsync(target, _ =>
            {
                if (changed) return;
                changed = true;
                File.AppendAllText(Path.Join(Source, "grows"), "more");
                File.WriteAllText(Path.Join(Source, "shrinks"), "less");
                File.Delete(Path.Join(Source, "vanishes"));
                Directory.Delete(Path.Join(Source, "with"), recursive: true);
            }, default);
        }

        var unpacked = await ExtractAsync(tar);
        Assert.Equal(["a", "grows", "shrinks", "z"], Directory.EnumerateFiles(unpacked).Select(Path.GetFileName).Order());
        Assert.Equal(new string('x', 100_000), File.ReadAllText(Path.Join(unpacked, "z")));
    }

    [Theory]
    [InlineData("longer than it was", 5, "longe")]
    [InlineData("short", 8, "short\0\0\0")]
    [InlineData("", 0, "")]
    public async Task A_stream_of_fixed_length_cuts_and_fills(string content, int length, string expected)
    {
        await using var fixedLength = new FixedLengthStream(new MemoryStream(System.Text.Encoding.ASCII.GetBytes(content)), length);
        var read = new MemoryStream();
        await fixedLength.CopyToAsync(read);
        Assert.Equal(expected, System.Text.Encoding.ASCII.GetString(read.ToArray()));
    }

    [Fact]
    public async Task A_file_from_before_1970_and_one_of_many_bytes_arrive_as_they_were()
    {
        Write("old", "x");
        File.SetLastWriteTimeUtc(Path.Join(Source, "old"), new(1960, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        var bytes = new byte[3_000_001];
        new Random(1).NextBytes(bytes);
        await File.WriteAllBytesAsync(Path.Join(Source, "large"), bytes);
        var unpacked = await UnpackAsync();
        Assert.Equal(bytes, await File.ReadAllBytesAsync(Path.Join(unpacked, "large")));
        Assert.True(File.Exists(Path.Join(unpacked, "old")));
    }

    [Fact]
    public async Task An_unreadable_file_is_told_with_what_to_do()
    {
        if (Environment.IsPrivilegedProcess) Assert.Skip("Root can read every file.");
        Write("secret", "x");
        File.SetUnixFileMode(Path.Join(Source, "secret"), UnixFileMode.None);
        var said = await Assert.ThrowsAsync<UserException>(UnpackAsync);
        Assert.Contains("readable", said.Message);
    }

    private void Write(string name, string content)
    {
        var path = Path.Join(Source, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
    }

    private Task<IReadOnlyList<string>> ListAsync(bool everything = false) => WorkspaceFiles.ListAsync(new Workspace(Source, everything), default);

    private async Task<string> UnpackAsync()
    {
        var tar = Path.Join(_root, "workspace.tar");
        await using (var target = File.Create(tar)) await new WorkspaceArchive(Source, await ListAsync()).WriteAsync(target, static _ => { }, default);
        return await ExtractAsync(tar);
    }

    private async Task<string> ExtractAsync(string tar)
    {
        var folder = Directory.CreateDirectory(Path.Join(_root, "unpacked")).FullName;
        await RunAsync("tar", "-C", folder, "-xpf", tar);
        return folder;
    }

    private Task GitAsync(params string[] arguments) => RunAsync("git", ["-C", Source, .. arguments]);

    private Task ShellAsync(string script) => RunAsync("sh", "-ec", $"cd '{Source}'\n{script}");

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
    }
}
