using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>Every file in examples/ does what it says; the article's has a class of its own.</summary>
public sealed class ExampleTests
{
    [Fact]
    public void Every_example_has_a_test()
    {
        string[] tested = ["article.yml", "artifacts.yml", "failing.yml", "hello.yml", "network.yml", "secrets.yml", "steps.yml"];
        Assert.Equal(tested, Directory.GetFiles(Folder).Select(static path => Path.GetFileName(path)!).Order());
    }

    [Fact]
    public async Task Hello()
    {
        using var folder = new TestFolder();
        var done = (await RunAsync("hello.yml", folder)).ExpectExit(0);
        Assert.Contains("Hello from Linux", done.Output);
    }

    [Fact]
    public async Task Steps()
    {
        using var folder = new TestFolder();
        var done = (await RunAsync("steps.yml", folder)).ExpectExit(0);
        Assert.Equal("hello from a step that is just a line\ngood day from /tmp\nthe answer is 42\neach command is shown\ndone\n", done.Output);
        Assert.Contains("only after a failure  skipped", done.Error);
    }

    [Fact]
    public async Task Failing_ends_with_its_code_after_its_after_script()
    {
        using var folder = new TestFolder();
        var done = (await RunAsync("failing.yml", folder)).ExpectExit(7);
        Assert.Contains("about to fail\n", done.Output);
        Assert.Contains("tidying up\n", done.Output);
        Assert.DoesNotContain("never printed", done.Output);
        Assert.Contains("exit 7", done.LastLineOfError);
    }

    [Fact]
    public async Task Secrets_are_masked()
    {
        using var folder = new TestFolder();
        var done = (await RunAsync("secrets.yml", folder, environment: new() { ["DEPLOY_TOKEN"] = "correct-horse" })).ExpectExit(0);
        Assert.Contains("plain  ***\n", done.Output);
        Assert.Contains("base64 ***", done.Output);
        Assert.DoesNotContain("correct-horse", done.ToString());
    }

    [Fact]
    public async Task Artifacts_come_out_into_the_folder_on_the_last_line()
    {
        using var folder = new TestFolder();
        folder.Write("one.txt", "1");
        folder.Write("two/two.txt", "2");
        var done = (await RunAsync("artifacts.yml", folder)).ExpectExit(0);
        var artifacts = ArtifactsOf(done);
        Assert.Equal(["report/count.txt", "report/raw/files.txt"], FilesBelow(artifacts));
        Assert.Equal("./one.txt\n./two/two.txt\n", await File.ReadAllTextAsync(Path.Combine(artifacts, "report/raw/files.txt")));
        Directory.Delete(artifacts, recursive: true);
    }

    [Fact]
    public async Task Network_lets_nothing_through_that_is_not_listed()
    {
        using var folder = new TestFolder();
        var done = (await RunAsync("network.yml", folder)).ExpectExit(0);
        Assert.Contains("out of reach, as it should be", done.Output);
        Assert.Matches("denied .*: the name example.com", done.Error);
    }

    /// <summary>The folder the last line of standard error names.</summary>
    internal static string ArtifactsOf(Finished done)
    {
        var folder = done.LastLineOfError.Split(' ').FirstOrDefault(static word => word.StartsWith('/'));
        Assert.True(folder is not null && Directory.Exists(folder), $"no folder on the last line of\n{done.Error}");
        return folder;
    }

    internal static IEnumerable<string> FilesBelow(string folder) =>
        Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(folder, path)).Order(StringComparer.Ordinal);

    private static string Folder => Path.Combine(Runner.Root, "examples");

    private static Task<Finished> RunAsync(string name, TestFolder folder, Dictionary<string, string>? environment = null) =>
        Runner.RunAsync(folder.Path, ["exec", Path.Combine(Folder, name)], environment);
}
