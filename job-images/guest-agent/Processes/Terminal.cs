using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>A pseudo-terminal: the agent's end, and the path by which a process opens the other.</summary>
internal sealed unsafe class Terminal : IDisposable
{
    [StructLayout(LayoutKind.Sequential)]
    private struct WindowSize
    {
        public ushort Rows;
        public ushort Columns;
        public ushort PixelWidth;
        public ushort PixelHeight;
    }

    private readonly SafeFileHandle _master;

    private Terminal(SafeFileHandle master, string path) => (_master, Path) = (master, path);

    public string Path { get; }

    public static Terminal Open(int rows, int columns)
    {
        var master = KernelFile.Open("/dev/ptmx", Libc.O_RDWR | Libc.O_NOCTTY);
        var unlocked = 0;
        var number = 0;
        // SAFETY: both calls take a pointer to an int.
        LinuxException.ThrowIfNegative(Libc.ioctl(master, Libc.TIOCSPTLCK, &unlocked), "Cannot unlock a pseudo-terminal");
        LinuxException.ThrowIfNegative(Libc.ioctl(master, Libc.TIOCGPTN, &number), "Cannot read the number of a pseudo-terminal");
        var terminal = new Terminal(master, string.Create(CultureInfo.InvariantCulture, $"/dev/pts/{number}"));
        terminal.Resize(rows, columns);
        return terminal;
    }

    /// <summary>The agent's end once more, for one who owns it: reading and writing end at different times.</summary>
    public SafeFileHandle DuplicateMaster() => KernelFile.Duplicate(_master);

    public void Resize(int rows, int columns)
    {
        var size = new WindowSize { Rows = (ushort)Math.Clamp(rows, 1, 4096), Columns = (ushort)Math.Clamp(columns, 1, 4096) };
        // SAFETY: struct winsize, on the stack.
        _ = Libc.ioctl(_master, Libc.TIOCSWINSZ, &size);
    }

    public void Dispose() => _master.Dispose();
}
