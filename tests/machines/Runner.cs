using System.Diagnostics;
using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>
/// The built program, run as a person runs it, in a data directory of the test run's own. Images and kernels are shared
/// with this host's ordinary data directory, because they take a minute to build and no test changes them.
/// </summary>
internal static class Runner
{
    private static readonly Lazy<string> LazyRoot = new(FindRoot);
    private static readonly Lazy<string> LazyHome = new(CreateHome);

    /// <summary>Top of the repository.</summary>
    public static string Root => LazyRoot.Value;

    /// <summary>Data directory of the tests.</summary>
    public static string Home => LazyHome.Value;

    public static string Program => Path.Combine(Root, ".build", "programs", "runnervm");

    /// <summary>Heavy cases run only when asked for.</summary>
    public static bool Soak => Environment.GetEnvironmentVariable("RUNNERVM_SOAK") == "1";

    public static void SkipUnlessSoak() => Assert.SkipUnless(Soak, "a heavy case: run tests/run --soak");

    /// <summary>Starts the program; the caller owns the process.</summary>
    public static Process Start(string workingDirectory, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null, string? wrapper = null)
    {
        var words = arguments.ToList();
        var start = new ProcessStartInfo(wrapper is null ? Program : wrapper.Split(' ')[0])
        {
            WorkingDirectory = workingDirectory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        if (wrapper is not null) words = [.. wrapper.Split(' ')[1..], Program, .. words];
        foreach (var word in words) start.ArgumentList.Add(word);
        start.Environment["RUNNERVM_HOME"] = Home;
        // Nothing may go on behind a test's back; what is laid down is laid down by name.
        start.Environment["RUNNERVM_SNAPSHOTS"] = "existing";
        foreach (var (name, value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        var process = Process.Start(start) ?? throw new InvalidOperationException($"{Program} did not start");
        return process;
    }

    /// <summary>Runs the program to its end.</summary>
    public static async Task<Finished> RunAsync(
        string workingDirectory, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null, string? input = null, TimeSpan? limit = null, string? wrapper = null)
    {
        Assert.True(File.Exists(Program), $"{Program} is not built; run tests/run once");
        using var process = Start(workingDirectory, arguments, environment, wrapper);
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        if (input is not null) await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        using var deadline = new CancellationTokenSource(limit ?? TimeSpan.FromMinutes(3));
        try
        {
            await process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            Assert.Fail($"runnervm did not end in time. It said:\n{await output}\n{await error}");
        }

        return new(process.ExitCode, await output, await error);
    }

    /// <summary>Runs a job given as YAML text in a new empty folder, or in <paramref name="folder"/>.</summary>
    public static async Task<Finished> ExecAsync(
        string job, IEnumerable<string>? options = null, IReadOnlyDictionary<string, string>? environment = null, string? folder = null, TimeSpan? limit = null, string? wrapper = null)
    {
        using var own = new TestFolder();
        var file = Path.Combine(own.Path, "job.yml");
        await File.WriteAllTextAsync(file, job);
        return await RunAsync(folder ?? own.Path, ["exec", file, .. options ?? []], environment, limit: limit, wrapper: wrapper);
    }

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "RunnerVm.sln"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("the tests do not run below the repository");
    }

    private static string CreateHome()
    {
        var shared = Environment.GetEnvironmentVariable("RUNNERVM_HOME") is { Length: > 0 } home ? home
            : Environment.IsPrivilegedProcess ? "/var/lib/runnervm"
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local/share/runnervm");
        var own = Directory.CreateDirectory(Path.Combine(Root, ".build", "test-home")).FullName;
        foreach (var name in new[] { "images", "kernels" })
        {
            var target = Directory.CreateDirectory(Path.Combine(shared, name)).FullName;
            var link = Path.Combine(own, name);
            if (new DirectoryInfo(link).LinkTarget == target) continue;
            if (Path.Exists(link)) Directory.Delete(link, recursive: true);
            Directory.CreateSymbolicLink(link, target);
        }

        return own;
    }
}
