using System.Diagnostics;
using System.Security.Cryptography;
using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>Files go in and come out as they are, and only those that should.</summary>
public sealed class WorkspaceTests
{
    [Fact]
    public async Task Thousands_of_files_and_some_large_ones_go_in_and_come_out_unchanged()
    {
        // 3,000 files and 40 MB, with --soak 100,000 files and 1 GB.
        var (small, large, largeBytes) = Runner.Soak ? (100_000, 16, 64 << 20) : (3_000, 4, 10 << 20);
        using var folder = new TestFolder();
        Fill(folder, small, large, largeBytes);
        var before = Hashes(folder.Path);
        folder.Write(".gitignore", "ignored/\n*.log\n");
        folder.Write("ignored/not-for-the-guest.txt", "private");
        folder.Write("debug.log", "private");
        Git(folder.Path, "init", "--quiet");

        // The guest checks what it got by itself, then hands all of it back but what is excluded.
        using var lists = new TestFolder();
        lists.Write("sums", string.Concat(before.Select(static pair => $"{pair.Value}  ./{pair.Key}\n")));
        File.Copy(lists.File("sums"), folder.File("sums.txt"));
        const string Job = """
            job:
              steps:
                - sha256sum --quiet --check sums.txt && echo all sums are right
                - run: "ls ignored debug.log 2>/dev/null || echo nothing ignored came in"
                - test -x tools/run.sh && readlink tools/link
                - mkdir -p out && echo made in the guest > out/new.txt && echo x > out/scratch.tmp
              artifacts:
                paths: [data, tools, "big/*", out]
                exclude: ["**/*.tmp"]
            runner: {timeout: 20m, disk: 5GB}
            """;
        var start = Stopwatch.GetTimestamp();
        var done = (await Runner.ExecAsync(Job, folder: folder.Path, limit: TimeSpan.FromMinutes(20))).ExpectExit(0);
        TestContext.Current.TestOutputHelper?.WriteLine($"{small + large} files: {Stopwatch.GetElapsedTime(start).TotalSeconds:0.0} s with the boot");

        Assert.Contains("all sums are right\n", done.Output);
        Assert.Contains("nothing ignored came in\n", done.Output);
        Assert.Contains("run.sh\n", done.Output);
        var artifacts = ExampleTests.ArtifactsOf(done);
        var after = Hashes(artifacts);
        Assert.True(after.Remove("out/new.txt"));
        Assert.Equal(before, after);
        Assert.False(File.Exists(Path.Combine(artifacts, "out/scratch.tmp")));
        Assert.Equal("run.sh", new FileInfo(Path.Combine(artifacts, "tools/link")).LinkTarget);
        Assert.True(File.GetUnixFileMode(Path.Combine(artifacts, "tools/run.sh")).HasFlag(UnixFileMode.UserExecute));
        Directory.Delete(artifacts, recursive: true);
    }

    [Theory]
    [InlineData("success", 5, false)]
    [InlineData("failure", 5, true)]
    [InlineData("always", 0, true)]
    [InlineData("failure", 0, false)]
    public async Task Artifacts_come_out_when_the_file_says_so(string when, int exitCode, bool expected)
    {
        using var folder = new TestFolder();
        var target = folder.File("out");
        (await Runner.ExecAsync(
            $"job: {{steps: [echo x > result.txt; exit {exitCode}], workspace: none, artifacts: {{paths: [result.txt], when: {when}}}}}",
            ["--artifacts", target])).ExpectExit(exitCode);
        Assert.Equal(expected, File.Exists(Path.Combine(target, "result.txt")));
    }

    private static void Fill(TestFolder folder, int small, int large, int largeBytes)
    {
        for (var i = 0; i < small; i++) folder.Write($"data/{i / 100:000}/file {i} ä.txt", $"content of file {i}\n");
        Directory.CreateDirectory(folder.File("big"));
        var random = new Random(1);
        var bytes = new byte[largeBytes];
        for (var i = 0; i < large; i++)
        {
            random.NextBytes(bytes);
            File.WriteAllBytes(folder.File($"big/{i}.bin"), bytes);
        }

        folder.Write("tools/run.sh", "#!/bin/sh\necho run\n");
        File.SetUnixFileMode(folder.File("tools/run.sh"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.CreateSymbolicLink(folder.File("tools/link"), "run.sh");
    }

    private static SortedDictionary<string, string> Hashes(string root)
    {
        var hashes = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var path in Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories))
        {
            if (new FileInfo(path).LinkTarget is not null) continue;
            using var file = File.OpenRead(path);
            hashes[Path.GetRelativePath(root, path)] = Convert.ToHexStringLower(SHA256.HashData(file));
        }

        return hashes;
    }

    private static void Git(string folder, params string[] arguments)
    {
        using var git = Process.Start(new ProcessStartInfo("git", arguments) { WorkingDirectory = folder })!;
        git.WaitForExit();
        Assert.Equal(0, git.ExitCode);
    }
}
