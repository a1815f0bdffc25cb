using System.Diagnostics;

namespace RunnerVm.Benchmarks;

/// <summary>A process that takes jobs, measured from outside. Disposing kills it.</summary>
internal sealed class AgentUnderTest : IDisposable
{
    private readonly Process _process;
    private readonly List<string> _said = [];

    public AgentUnderTest(string program, IEnumerable<string> arguments, Dictionary<string, string> environment)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true, RedirectStandardInput = true };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        _process = Process.Start(start)!;
        _process.ErrorDataReceived += (_, line) => Hear(line.Data);
        _process.BeginErrorReadLine();
    }

    /// <summary>Its own, without its machines'.</summary>
    public TimeSpan ProcessorTime
    {
        get
        {
            _process.Refresh();
            return _process.TotalProcessorTime;
        }
    }

    public long ResidentBytes
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    /// <summary>Waits until it has said something so often.</summary>
    public async Task SaysAsync(string text, int times, CancellationToken cancellationToken)
    {
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (Count(text) < times) await tick.WaitForNextTickAsync(cancellationToken);
    }

    /// <summary>Asks by a line on its standard input, and returns its answer.</summary>
    public async Task<string> AskAsync(string question)
    {
        await _process.StandardInput.WriteLineAsync(question);
        await _process.StandardInput.FlushAsync();
        return await _process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException($"the agent is gone. It said:\n{string.Join('\n', _said)}");
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    private int Count(string text)
    {
        lock (_said) return _said.Count(line => line.Contains(text, StringComparison.Ordinal));
    }

    private void Hear(string? line)
    {
        if (line is null) return;
        lock (_said) _said.Add(line);
    }
}
