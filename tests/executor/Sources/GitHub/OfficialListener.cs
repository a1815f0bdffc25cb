using System.Diagnostics;
using System.Text;
using RunnerVm.Tests.StandIns.GitHub;

namespace RunnerVm.Tests.Executor.Sources.GitHub;

/// <summary>GitHub's runner as a process of this host, in a copy of its folder: it writes beside its programs.</summary>
internal sealed class OfficialListener : IDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();

    private OfficialListener(Process process, string folder) => (_process, Folder) = (process, folder);

    public string Folder { get; }

    public string Output
    {
        get
        {
            lock (_output) return _output.ToString();
        }
    }

    /// <param name="configuration">As GitHub gives it, encoded.</param>
    public static OfficialListener Start(string configuration)
    {
        var folder = Directory.CreateTempSubdirectory("actions-runner-").FullName;
        // Programs are not written to: links to them will do, where the file system has them.
        using (var copy = Process.Start("cp", ["-a", "--reflink=auto", $"{OfficialRunner.Folder}/.", folder])) copy.WaitForExit();
        var start = new ProcessStartInfo(Path.Join(folder, "bin/Runner.Listener"), ["run"]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["ACTIONS_RUNNER_INPUT_JITCONFIG"] = configuration;
        start.Environment["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "1";
        var listener = new OfficialListener(Process.Start(start)!, folder);
        listener._process.OutputDataReceived += listener.Take;
        listener._process.ErrorDataReceived += listener.Take;
        listener._process.BeginOutputReadLine();
        listener._process.BeginErrorReadLine();
        return listener;
    }

    public async Task<int> EndAsync(CancellationToken cancellationToken)
    {
        await _process.WaitForExitAsync(cancellationToken);
        return _process.ExitCode;
    }

    /// <summary>All it wrote down for whoever looks for what went wrong.</summary>
    public string Diagnostics() => string.Concat(Directory.GetFiles(Path.Join(Folder, "_diag"), "*.log").Order().Select(File.ReadAllText));

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _process.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    private void Take(object sender, DataReceivedEventArgs line)
    {
        lock (_output) _output.AppendLine(line.Data);
    }
}
