using System.Diagnostics;
using System.Globalization;
using RunnerVm.Machines;
using Tmds.Linux;

namespace RunnerVm.Operate.Bench;

/// <summary>One run of a contender: timed from before its process is made to its first byte of output, and to its end.</summary>
internal sealed class BenchProcess : IDisposable
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan EndLimit = TimeSpan.FromMinutes(5);

    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly Process _process;
    private readonly Task<string> _errors;
    private double _firstByte;

    private BenchProcess(Contender contender, string script)
    {
        var words = contender.Command(script);
        var start = new ProcessStartInfo(words[0], words.Skip(1)) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in contender.Environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        _process = Process.Start(start)!;
        _process.StandardInput.Close();
        _errors = _process.StandardError.ReadToEndAsync();
    }

    /// <summary>Memory of the process and all it started, as far as it can be seen.</summary>
    public long PssBytes => ProcessTree.MemoryOf(_process.Id).Bytes;

    /// <exception cref="System.ComponentModel.Win32Exception">It is not there.</exception>
    public static BenchProcess Start(Contender contender, string script) => new(contender, script);

    /// <summary>Starts, reads to the end, expects success.</summary>
    /// <exception cref="BenchException">It failed.</exception>
    public static async Task<BenchRun> RunAsync(Contender contender, string script, CancellationToken cancellationToken)
    {
        using var process = Start(contender, script);
        return await process.FinishAsync(contender, cancellationToken);
    }

    /// <summary>Returns with the first byte of output.</summary>
    public async Task WaitForOutputAsync(Contender contender, CancellationToken cancellationToken)
    {
        var first = new byte[1];
        if (await _process.StandardOutput.BaseStream.ReadAsync(first, cancellationToken) == 0) throw await FailedAsync(contender);
        _firstByte = Stopwatch.GetElapsedTime(_started).TotalMilliseconds;
    }

    /// <summary>Reads the rest.</summary>
    public async Task<BenchRun> FinishAsync(Contender contender, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(EndLimit);
        await WaitForOutputAsync(contender, limit.Token);
        // The first byte is gone already; nobody misses it, for scripts begin with a line of no meaning.
        var output = await _process.StandardOutput.ReadToEndAsync(limit.Token);
        await _process.WaitForExitAsync(limit.Token);
        return _process.ExitCode == 0 ? new(_firstByte, Stopwatch.GetElapsedTime(_started).TotalMilliseconds, output) : throw await FailedAsync(contender);
    }

    /// <summary>Ends it and all it started: politely, and after a while by force.</summary>
    public async Task EndAsync()
    {
        var tree = ProcessTree.IdentitiesOf(_process.Id);
        _ = LibC.kill(_process.Id, LibC.SIGINT);
        using var patience = new CancellationTokenSource(Grace);
        await _process.WaitForExitAsync(patience.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var left in tree.Where(static p => p.IsRunning())) _ = LibC.kill(left.Pid, LibC.SIGKILL);
    }

    /// <summary>Ends it, were it still there.</summary>
    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
    }

    /// <summary>Processor time of all children of this process that have ended and were waited for, in milliseconds (proc_pid_stat(5), cutime and cstime).</summary>
    public static double ChildrenCpuMilliseconds()
    {
        const int TicksASecond = 100; // USER_HZ, the same on every Linux there is.
        var text = File.ReadAllText("/proc/self/stat");
        var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
        return (long.Parse(fields[13], CultureInfo.InvariantCulture) + long.Parse(fields[14], CultureInfo.InvariantCulture)) * 1000.0 / TicksASecond;
    }

    private async Task<BenchException> FailedAsync(Contender contender)
    {
        await _process.WaitForExitAsync();
        var words = (await _errors).Trim().Split('\n')[^1];
        return new($"{contender.Name} ended with status {_process.ExitCode}: {(words.Length > 0 ? words : "it said nothing")}");
    }
}

/// <param name="FirstByte">Milliseconds from the start to the first byte of output.</param>
/// <param name="Exit">Milliseconds from the start to the end.</param>
/// <param name="Output">All but that byte.</param>
internal sealed record BenchRun(double FirstByte, double Exit, string Output);

/// <summary>A contender could not be measured; the message is for people.</summary>
internal sealed class BenchException(string message) : Exception(message);
