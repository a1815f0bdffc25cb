using System.Text;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Boot;

/// <summary>
/// Short diagnostics for whoever watches the machine's console. Never anything a job passed in. System.Console would
/// install signal and terminal handling, which PID 1 must own itself.
/// </summary>
internal static class AgentConsole
{
    private const int MaxLine = 400;
    private static SafeFileHandle? _console;

    /// <summary>Opens the console, if the machine has one. Descriptors 0 to 2 are filled so that no later file gets them.</summary>
    public static void Open()
    {
        for (var spare = KernelFile.TryOpen("/dev/null", Libc.O_RDWR); spare is not null; spare = KernelFile.TryOpen("/dev/null", Libc.O_RDWR))
        {
            if (spare.DangerousGetHandle() > 2)
            {
                spare.Dispose();
                break;
            }

            spare.SetHandleAsInvalid();
        }

        _console = KernelFile.TryOpen("/dev/console", Libc.O_WRONLY | Libc.O_NOCTTY | Libc.O_NONBLOCK)
            ?? KernelFile.TryOpen("/dev/ttyS0", Libc.O_WRONLY | Libc.O_NOCTTY | Libc.O_NONBLOCK);
    }

    /// <summary>A sandbox has no console but the standard output it was started with.</summary>
    public static void OpenStandardOutput() => _console = new(1, ownsHandle: false);

    public static void Line(string text)
    {
        if (_console is null) return;
        var line = $"runnervm-agent: {text.ReplaceLineEndings(" ")}";
        if (line.Length > MaxLine) line = line[..MaxLine];
        _ = KernelFile.WriteOnce(_console, Encoding.UTF8.GetBytes(line + "\n"));
    }
}
