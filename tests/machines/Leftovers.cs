using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>Whatever a job can leave on a host: processes, files, sockets, mounts, cgroups.</summary>
internal static class Leftovers
{
    public static string Runs => Path.Combine(Runner.Home, "runs");

    /// <summary>Engines of the tests' data directory: its folders stand on their command lines.</summary>
    public static IReadOnlyList<int> Machines()
    {
        var found = new List<int>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), out var pid) || pid == Environment.ProcessId) continue;
            if (Read($"{folder}/cmdline").Contains(Runs, StringComparison.Ordinal)) found.Add(pid);
        }

        return found;
    }

    public static void AssertNone()
    {
        Assert.Empty(Machines());
        Assert.Empty(Directory.Exists(Runs) ? Directory.GetFileSystemEntries(Runs) : []);
        Assert.DoesNotContain(Runs, Read("/proc/net/unix"));
        Assert.DoesNotContain(Runner.Home, Read("/proc/self/mounts"));
        Assert.Empty(Cgroups());
        var artifacts = Path.Combine(Runner.Home, "artifacts");
        Assert.Empty(Directory.Exists(artifacts) ? Directory.GetDirectories(artifacts, "*partial*") : []);
    }

    /// <summary>Waits until no engine is left; they die with their parent, which the kernel takes a moment for.</summary>
    public static async Task NoMachineSoonAsync(TimeSpan limit)
    {
        using var deadline = new CancellationTokenSource(limit);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        try
        {
            while (Machines().Count > 0) await tick.WaitForNextTickAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"{limit.TotalSeconds} s after its runner a machine still runs: {string.Join(", ", Machines())}");
        }
    }

    private static string[] Cgroups() => Directory.Exists("/sys/fs/cgroup")
        ? Directory.GetDirectories("/sys/fs/cgroup", "runnervm*", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true })
        : [];

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ""; // A process that has just ended.
        }
    }
}
