using System.Diagnostics;
using System.Text.Json;

namespace RunnerVm.Benchmarks;

/// <summary>The program as it is shipped, run from outside.</summary>
internal static class BuiltProgram
{
    public static string Root { get; } = FindRoot();

    public static string Path => System.IO.Path.Combine(Root, ".build", "programs", "runnervm");

    /// <summary>Runs it to its end and returns its standard output, and the wall time from before the start to after the exit.</summary>
    public static (string Output, TimeSpan Wall) Run(string? input, params string[] arguments)
    {
        var start = new ProcessStartInfo(Path) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        var watch = Stopwatch.StartNew();
        using var process = Process.Start(start)!;
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        watch.Stop();
        if (process.ExitCode != 0) throw new InvalidOperationException($"runnervm {string.Join(' ', arguments)} ended with {process.ExitCode}: {error.Result}");
        return (output, watch.Elapsed);
    }

    /// <summary>Runs a job given as text and returns its events.</summary>
    public static (IReadOnlyList<JsonElement> Events, TimeSpan Wall) RunJob(string job, params string[] arguments)
    {
        var (output, wall) = Run(job, ["exec", "-", "--json", .. arguments]);
        return ([.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => JsonDocument.Parse(line).RootElement)], wall);
    }

    public static string Kind(this JsonElement jobEvent) => jobEvent.GetProperty("event").GetString()!;

    private static string FindRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(System.IO.Path.Combine(folder!, "RunnerVm.sln"))) folder = System.IO.Path.GetDirectoryName(folder);
        return folder!;
    }
}
