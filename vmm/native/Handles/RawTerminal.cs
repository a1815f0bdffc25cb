using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Handles;

/// <summary>A terminal that passes every key on as it comes; disposing makes it what it was.</summary>
internal sealed class RawTerminal : IDisposable
{
    private readonly FileDescriptor _terminal;
    private readonly termios _before;

    private RawTerminal(FileDescriptor terminal, termios before) => (_terminal, _before) = (terminal, before);

    /// <summary>
    /// Null when <paramref name="descriptor"/> is no terminal, or one that others are using now: changing it from the
    /// background would stop this process.
    /// </summary>
    /// <param name="descriptor">The caller's.</param>
    public static unsafe RawTerminal? TryEnter(FileDescriptor descriptor)
    {
        termios before;
        using var fd = descriptor.Borrow();
        // SAFETY: the C library fills the structure on this stack.
        if (LibC.tcgetattr(fd.Fd, &before) != 0 || LibC.tcgetpgrp(fd.Fd) != LibC.getpgrp()) return null;
        var raw = before;
        // SAFETY: both calls use the structure on this stack only.
        LibC.cfmakeraw(&raw);
        return LibC.tcsetattr(fd.Fd, LibC.TCSANOW, &raw) == 0 ? new(descriptor, before) : null;
    }

    public unsafe void Dispose()
    {
        var before = _before;
        using var fd = _terminal.Borrow();
        // SAFETY: the C library reads the structure on this stack.
        _ = LibC.tcsetattr(fd.Fd, LibC.TCSANOW, &before);
    }
}
