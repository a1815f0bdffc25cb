using System.Diagnostics;
using RunnerVm.Tests.Vmm.Api;
using Xunit;

namespace RunnerVm.Tests.Vmm.Start;

/// <summary>The program itself as it is shipped, filters and all, as another process.</summary>
internal sealed class MonitorProgram : IDisposable
{
    /// <summary>Long, since ring 0 may be emulated; nothing waits for it when all is well.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly Task<string> _output;
    private readonly Task<string> _errors;

    private MonitorProgram(string[] arguments)
    {
        var start = new ProcessStartInfo(Path.Combine(Jailer.JailRun.Programs, "runnervm-vmm"), arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        Assert.SkipUnless(File.Exists(start.FileName), $"There is no {start.FileName}: .ci/prepare builds it.");
        _process = Process.Start(start)!;
        (_output, _errors) = (_process.StandardOutput.ReadToEndAsync(), _process.StandardError.ReadToEndAsync());
    }

    public static MonitorProgram Start(params string[] arguments) => new(arguments);

    /// <summary>To its end.</summary>
    public static (int Status, string Output, string Errors) Run(params string[] arguments)
    {
        using var program = new MonitorProgram(arguments);
        return program.WaitForEnd();
    }

    public int Id => _process.Id;

    public bool HasEnded => _process.HasExited;

    /// <summary>Until the socket takes connections.</summary>
    public ApiClient Connect(string socket)
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                return new ApiClient(socket);
            }
            catch (System.Net.Sockets.SocketException) when (watch.Elapsed < Patience && !_process.HasExited)
            {
                _process.WaitForExit(5);
            }
        }
    }

    public (int Status, string Output, string Errors) WaitForEnd()
    {
        Assert.True(_process.WaitForExit(Patience), "The program did not end.");
        return (_process.ExitCode, _output.Result, _errors.Result);
    }

    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}
