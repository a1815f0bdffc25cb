using System.Diagnostics;

namespace RunnerVm.Tests.Executor.Machines;

/// <summary>
/// A second process of this test program that runs one explicit fact and is killed in the middle of it. The fact
/// writes to the file named by <see cref="ReportVariable"/> when it is where the test wants it.
/// </summary>
internal sealed class TestChild : IDisposable
{
    public const string ReportVariable = "RUNNERVM_TEST_CHILD";
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    private readonly Process _process;

    private TestChild(Process process) => _process = process;

    public int ProcessId => _process.Id;

    /// <summary>In the child: the folder given to it.</summary>
    public static string Folder => Path.GetDirectoryName(Environment.GetEnvironmentVariable(ReportVariable))!;

    public static async Task<(TestChild Child, string Report)> StartAsync(Type type, string fact, string folder)
    {
        var report = Path.Combine(folder, "report");
        var start = new ProcessStartInfo(Environment.ProcessPath!)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in new[] { "-method", $"{type.FullName}.{fact}", "-explicit", "only" }) start.ArgumentList.Add(argument);
        start.Environment[ReportVariable] = report;
        var child = new TestChild(Process.Start(start)!);
        var output = child._process.StandardOutput.ReadToEndAsync();
        _ = child._process.StandardError.ReadToEndAsync();
        var watch = Stopwatch.StartNew();
        while (!File.Exists(report))
        {
            if (child._process.HasExited) throw new InvalidOperationException("The child ended: " + await output);
            if (watch.Elapsed > Limit) throw new TimeoutException("The child did not report.");
            await Task.Delay(20);
        }

        return (child, await File.ReadAllTextAsync(report));
    }

    /// <summary>In the child: what the parent waits for, written whole.</summary>
    public static void Report(string text)
    {
        var path = Environment.GetEnvironmentVariable(ReportVariable)!;
        File.WriteAllText(path + ".new", text);
        File.Move(path + ".new", path);
    }

    /// <summary>kill -9.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();
        _process.Dispose();
    }
}
