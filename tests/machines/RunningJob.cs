using System.Diagnostics;
using System.Text.Json;
using Tmds.Linux;
using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>A job that goes on, watched by its events (--json). Disposing kills whatever is left of it.</summary>
internal sealed class RunningJob : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly TestFolder _own = new();
    private readonly Process _process;
    private readonly List<string> _lines = [];
    private readonly Task<string> _error;

    private RunningJob(string job, IEnumerable<string> options, string? folder, IReadOnlyDictionary<string, string>? environment)
    {
        _own.Write("job.yml", job);
        _process = Runner.Start(folder ?? _own.Path, ["exec", _own.File("job.yml"), "--json", .. options], environment);
        _process.StandardInput.Close();
        _error = _process.StandardError.ReadToEndAsync();
    }

    public int ProcessId => _process.Id;

    /// <summary>The last phase seen; null before the first event.</summary>
    public string? Phase { get; private set; }

    public static RunningJob Start(
        string job, IEnumerable<string>? options = null, string? folder = null, IReadOnlyDictionary<string, string>? environment = null) =>
        new(job, options ?? [], folder, environment);

    /// <summary>Reads events until one satisfies; fails the test when the job ends before.</summary>
    public async Task<JsonElement> WaitForAsync(Func<JsonElement, bool> wanted)
    {
        while (await NextAsync() is { } next)
            if (wanted(next)) return next;
        throw new InvalidOperationException($"the job ended before the event awaited\n{string.Join('\n', _lines)}\n{await _error}");
    }

    public Task WaitForPhaseAsync(string phase) => WaitForAsync(e => Is(e, "phase") && e.GetProperty("phase").GetString() == phase);

    public Task WaitForOutputAsync(string text) => WaitForAsync(e => Is(e, "output") && e.GetProperty("text").GetString()!.Contains(text, StringComparison.Ordinal));

    /// <param name="name">As kill(1) has it; that program itself is no part of a minimal Debian.</param>
    public void Signal(string name)
    {
        var number = name switch
        {
            "HUP" => LibC.SIGHUP,
            "INT" => LibC.SIGINT,
            "TERM" => LibC.SIGTERM,
            _ => throw new ArgumentException(name),
        };
        Assert.Equal(0, LibC.kill(_process.Id, number));
    }

    /// <summary>SIGKILL, to the program alone: what its machine does then is for it to show.</summary>
    public void Kill()
    {
        if (!_process.HasExited) _process.Kill();
        _process.WaitForExit();
    }

    /// <summary>Reads on to the end.</summary>
    public async Task<Finished> FinishAsync()
    {
        while (await NextAsync() is not null) { }
        using var limit = new CancellationTokenSource(Patience);
        await _process.WaitForExitAsync(limit.Token);
        return new(_process.ExitCode, string.Concat(_lines.Select(static line => line + "\n")), await _error);
    }

    public void Dispose()
    {
        Kill();
        _process.Dispose();
        _own.Dispose();
    }

    private static bool Is(JsonElement e, string name) => e.GetProperty("event").GetString() == name;

    private async Task<JsonElement?> NextAsync()
    {
        var line = await _process.StandardOutput.ReadLineAsync().WaitAsync(Patience);
        if (line is null) return null;
        _lines.Add(line);
        var next = JsonDocument.Parse(line).RootElement;
        if (Is(next, "phase")) Phase = next.GetProperty("phase").GetString();
        return next;
    }
}
