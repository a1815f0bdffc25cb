using System.Diagnostics;
using RunnerVm.Tests.Vmm.Api;
using Xunit;

namespace RunnerVm.Tests.Vmm.Start;

/// <summary>
/// The program itself, as another process: the one that <c>RUNNERVM_VMM</c> names, else the one built beside the tests. That one
/// brings a compiler along, which the system call filters are not made for: it runs without them.
/// </summary>
internal sealed class MonitorProgram : IDisposable
{
    /// <summary>Long, since ring 0 may be emulated; nothing waits for it when all is well.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private static readonly string? Named = Environment.GetEnvironmentVariable("RUNNERVM_VMM");

    private readonly Process _process;
    private readonly Task<string> _output;
    private readonly Task<string> _errors;

    private MonitorProgram(string[] arguments)
    {
        var path = Named ?? Path.Combine(AppContext.BaseDirectory, "runnervm-vmm");
        var start = new ProcessStartInfo(path, Named is null && arguments is not ["--version"] ? [.. arguments, "--no-seccomp"] : arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        Assert.SkipUnless(File.Exists(path), $"There is no {path}.");
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
