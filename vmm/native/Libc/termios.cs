using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    public const int TCSANOW = 0;

    /// <summary>What tcsetattr asks for TCSANOW, and then to see whether it was done.</summary>

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int tcgetattr(int fd, termios* settings);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int tcsetattr(int fd, int when, termios* settings);

    [LibraryImport("libc")]
    public static unsafe partial void cfmakeraw(termios* settings);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int tcgetpgrp(int fd);

    [LibraryImport("libc")]
    public static partial int getpgrp();
}

[InlineArray(32)]
internal struct termios_characters
{
    private byte _element;
}

internal struct termios
{
    public uint c_iflag;
    public uint c_oflag;
    public uint c_cflag;
    public uint c_lflag;
    public byte c_line;
    public termios_characters c_cc;
    public uint c_ispeed;
    public uint c_ospeed;
}
