using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Handles;

/// <summary>
/// A file, named pipe or standard output that lines are written to and that never makes the writer wait: what there is no
/// room for is not written, and the writer is told. One thread at a time.
/// </summary>
internal sealed class LineOutput : IDisposable
{
    /// <summary>PIPE_BUF: a pipe which says that it can be written has room for as much, and writes it in one piece (pipe(7)).</summary>
    public const int LongestLine = 4096;
    private readonly FileDescriptor _file;
    private bool _torn;

    private LineOutput(FileDescriptor file) => _file = file;

    /// <summary>Opened for reading too, so that a named pipe needs nobody at its other end. Made when it is not there.</summary>
    public static LineOutput Open(string path) => new(FileDescriptor.Open(path, LibC.O_RDWR | LibC.O_CREAT | LibC.O_APPEND | LibC.O_NONBLOCK));

    /// <summary>A descriptor of our own, which can go while others still write there; left in the mode it is in.</summary>
    public static LineOutput StandardOutput() => new(FileDescriptor.Duplicate(1));

    /// <summary>To be kept: it goes with whoever loses it. .NET's own would make a thread and handle signals, which a confined process may not.</summary>
    public static LineOutput StandardError() => new(new FileDescriptor(2));

    /// <summary>False when nothing or not all of it was written; a line cut short is ended before the next one.</summary>
    /// <param name="line">With its line feed.</param>
    public bool TryWrite(ReadOnlySpan<byte> line)
    {
        if (_torn && Write("\n"u8) != 1) return false;
        _torn = false;
        var written = Write(line);
        _torn = written > 0 && written < line.Length;
        return written == line.Length;
    }

    public void Dispose() => _file.Dispose();

    private unsafe nint Write(ReadOnlySpan<byte> bytes)
    {
        using var fd = _file.Borrow();
        var ready = new pollfd { fd = fd.Fd, events = LibC.POLLOUT };
        // SAFETY: one structure of this stack, for the length of the call.
        if (LibC.poll(&ready, 1, 0) != 1 || (ready.revents & LibC.POLLOUT) == 0) return 0;
        // SAFETY: the kernel reads the pinned span's bytes during the call.
        fixed (byte* start = bytes) return LibC.write(fd.Fd, start, (nuint)bytes.Length);
    }
}
