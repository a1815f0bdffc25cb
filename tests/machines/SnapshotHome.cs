using System.Diagnostics;
using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>
/// A data directory in which one small kind of machine has a snapshot: made once for a class of tests. The tests' ordinary one
/// has none, so that machines boot there.
/// </summary>
public sealed class SnapshotHome : IAsyncLifetime
{
    /// <summary>Below the tests' own home, short because sockets lie in it.</summary>
    public string Path { get; } = Directory.CreateTempSubdirectory("rv-").FullName;

    /// <summary>The options of its kind of machine.</summary>
    internal static readonly string[] Kind = ["--memory", "256MB", "--disk", "1GB"];

    internal string Snapshots => System.IO.Path.Combine(Path, "snapshots");

    internal string Runs => System.IO.Path.Combine(Path, "runs");

    /// <summary>The folder of the one snapshot.</summary>
    internal string Snapshot => Directory.GetDirectories(Snapshots).Single(static f => System.IO.Path.GetFileName(f)[0] != '.');

    /// <summary>Of the snapshot, also while it is away.</summary>
    internal string Name { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        LinkImages(Path);
        await MakeAsync();
        Name = System.IO.Path.GetFileName(Snapshot);
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(Path, recursive: true);
        return ValueTask.CompletedTask;
    }

    /// <summary>Images and kernels as the other tests use them.</summary>
    internal static void LinkImages(string home)
    {
        foreach (var name in new[] { "images", "kernels" })
            Directory.CreateSymbolicLink(System.IO.Path.Combine(home, name), System.IO.Path.Combine(Runner.Home, name));
    }

    internal IReadOnlyDictionary<string, string> Environment(string? home = null) => new Dictionary<string, string> { ["RUNNERVM_HOME"] = home ?? Path };

    internal async Task MakeAsync() => (await RunAsync(["snapshot", "create", .. Kind])).ExpectExit(0);

    internal Task<Finished> RunAsync(string[] arguments) => Runner.RunAsync(Path, arguments, Environment(), limit: TimeSpan.FromMinutes(10));

    /// <summary>A job in a machine of the kind.</summary>
    internal Task<Finished> ExecAsync(string job, params string[] options) => ExecAsync(job, Environment(), options);

    internal static Task<Finished> ExecAsync(string job, IReadOnlyDictionary<string, string> environment, params string[] options) =>
        Runner.ExecAsync(job, ["--engine", "qemu", .. Kind, .. options], environment, limit: TimeSpan.FromMinutes(5));

    internal RunningJob Start(string job, params string[] options) => RunningJob.Start(job, ["--engine", "qemu", .. Kind, .. options], environment: Environment());

    internal void AssertNothingLeft() => AssertNothingLeft(Path);

    /// <summary>No engine, no run, no socket, nothing half-written.</summary>
    internal static void AssertNothingLeft(string home)
    {
        Assert.Empty(Machines(home));
        Assert.Empty(Entries(System.IO.Path.Combine(home, "runs")));
        Assert.DoesNotContain(home, File.ReadAllText("/proc/net/unix"));
        Assert.DoesNotContain(Entries(System.IO.Path.Combine(home, "snapshots")), static e =>
            System.IO.Path.GetFileName(e) is var name && name[0] == '.' && !name.StartsWith(".lock-", StringComparison.Ordinal) && !name.StartsWith(".failed-", StringComparison.Ordinal));
    }

    /// <summary>Engines of a data directory: its folders stand on their command lines.</summary>
    internal static IReadOnlyList<int> Machines(string home) =>
        [.. Directory.GetDirectories("/proc").Select(System.IO.Path.GetFileName)
            .Where(static name => int.TryParse(name, out _)).Select(static name => int.Parse(name!, null))
            .Where(pid => CommandLine(pid) is var line && line.Contains("qemu-system", StringComparison.Ordinal) && line.Contains(home + "/", StringComparison.Ordinal))];

    private static string CommandLine(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/cmdline");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private static string[] Entries(string folder) => Directory.Exists(folder) ? Directory.GetFileSystemEntries(folder) : [];
}
