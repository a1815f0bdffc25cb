using System.Text;
using Microsoft.Win32.SafeHandles;

namespace RunnerVm.GuestAgent.Native;

/// <summary>Opening, creating and small files, with errors that say which path. Every descriptor is closed on exec.</summary>
internal static unsafe class KernelFile
{
    private const int MaxRead = 64 * 1024;

    public static SafeFileHandle Open(string path, int flags, int mode = 0)
    {
        var fd = Libc.openat(Libc.AT_FDCWD, path, flags | Libc.O_CLOEXEC, mode);
        LinuxException.ThrowIfNegative(fd, $"Cannot open {path}");
        return new(fd, ownsHandle: true);
    }

    /// <returns>Null where <see cref="Open"/> throws.</returns>
    public static SafeFileHandle? TryOpen(string path, int flags, int mode = 0)
    {
        var fd = Libc.openat(Libc.AT_FDCWD, path, flags | Libc.O_CLOEXEC, mode);
        return fd < 0 ? null : new(fd, ownsHandle: true);
    }

    /// <param name="flags">O_NONBLOCK, or 0 for one that <see cref="Await"/> waits for.</param>
    public static SafeFileHandle EventFd(int flags = Libc.O_NONBLOCK)
    {
        var fd = Libc.eventfd(0, Libc.O_CLOEXEC | flags);
        LinuxException.ThrowIfNegative(fd, "Cannot create an eventfd");
        return new(fd, ownsHandle: true);
    }

    /// <returns>The end to read from and the end to write to.</returns>
    public static (SafeFileHandle Read, SafeFileHandle Write) Pipe()
    {
        var ends = stackalloc int[2];
        // SAFETY: pipe2 writes two ints.
        LinuxException.ThrowIfNegative(Libc.pipe2(ends, Libc.O_CLOEXEC), "Cannot create a pipe");
        return (new(ends[0], ownsHandle: true), new(ends[1], ownsHandle: true));
    }

    public static void SetNonBlocking(SafeFileHandle file) =>
        LinuxException.ThrowIfNegative(
            Libc.fcntl(file, Libc.F_SETFL, Libc.fcntl(file, Libc.F_GETFL, 0) | Libc.O_NONBLOCK), "Cannot make a descriptor non-blocking");

    /// <summary>A second descriptor of the same open file, with an owner of its own.</summary>
    public static SafeFileHandle Duplicate(SafeFileHandle file)
    {
        var fd = Libc.fcntl(file, Libc.F_DUPFD_CLOEXEC, 3);
        LinuxException.ThrowIfNegative(fd, "Cannot duplicate a descriptor");
        return new(fd, ownsHandle: true);
    }

    /// <summary>Adds one to an eventfd, which wakes whoever polls it.</summary>
    public static void Signal(SafeFileHandle eventFd) => WriteOnce(eventFd, [1, 0, 0, 0, 0, 0, 0, 0]);

    /// <summary>Waits until an eventfd has been signalled since the last time.</summary>
    public static void Await(SafeFileHandle eventFd)
    {
        long count;
        // SAFETY: eight bytes, on the stack. A signal that cuts it short is a turn of the caller's loop.
        _ = Libc.read(eventFd, (byte*)&count, sizeof(long));
    }

    /// <summary>Writes all bytes in one call, as kernel files want it.</summary>
    /// <returns>0 or the error number.</returns>
    public static int WriteOnce(SafeFileHandle file, ReadOnlySpan<byte> bytes)
    {
        // SAFETY: the span is pinned for the length of the call.
        fixed (byte* start = bytes) return Libc.write(file, start, (nuint)bytes.Length) < 0 ? Libc.Errno : 0;
    }

    /// <summary>Writes a value into a file of /proc, /sys or a cgroup.</summary>
    /// <returns>0 or the error number.</returns>
    public static int TrySet(string path, string value)
    {
        using var file = TryOpen(path, Libc.O_WRONLY);
        return file is null ? Libc.Errno : WriteOnce(file, Encoding.UTF8.GetBytes(value));
    }

    /// <returns>The first 64 KiB of a file as text, or null when it cannot be read.</returns>
    public static string? TryRead(string path)
    {
        using var file = TryOpen(path, Libc.O_RDONLY);
        return file is null ? null : TryRead(file);
    }

    public static string? TryRead(SafeFileHandle file)
    {
        // Nearly all of these files are short, and a buffer for the longest would be fresh memory each time.
        var buffer = new byte[2 * 1024];
        var filled = 0;
        while (filled < MaxRead)
        {
            if (filled == buffer.Length) Array.Resize(ref buffer, Math.Min(buffer.Length * 4, MaxRead));
            // SAFETY: the kernel writes at most what is left of the pinned buffer.
            fixed (byte* start = buffer)
            {
                var count = Libc.read(file, start + filled, (nuint)(buffer.Length - filled));
                if (count < 0) return null;
                if (count == 0) break;
                filled += (int)count;
            }
        }

        return Encoding.UTF8.GetString(buffer, 0, filled);
    }

    /// <summary>Creates a folder and those above it; existing ones are left as they are.</summary>
    public static void CreateFolders(string path)
    {
        // Mostly only the last one is missing, or none.
        if (Libc.mkdirat(Libc.AT_FDCWD, path, 0b111_101_101) == 0 || Libc.Errno == Libc.EEXIST) return;
        for (var slash = path.IndexOf('/', 1); ; slash = path.IndexOf('/', slash + 1))
        {
            var part = slash < 0 ? path : path[..slash];
            if (Libc.mkdirat(Libc.AT_FDCWD, part, 0b111_101_101) < 0 && Libc.Errno != Libc.EEXIST)
            {
                throw new LinuxException($"Cannot create the folder {part}", Libc.Errno);
            }

            if (slash < 0) return;
        }
    }

    /// <summary>Puts a new file in place of whatever has that name; a symbolic link is replaced, not followed.</summary>
    public static void Replace(string path, ReadOnlySpan<byte> content, int mode)
    {
        using var file = CreateAnew(path, mode);
        WriteAll(file, content, path);
    }

    /// <summary>An empty file, open for writing, in place of whatever has that name.</summary>
    public static SafeFileHandle CreateAnew(string path, int mode)
    {
        const int flags = Libc.O_WRONLY | Libc.O_CREAT | Libc.O_EXCL | Libc.O_NOFOLLOW;
        if (TryOpen(path, flags, mode) is { } created) return created;
        _ = Libc.unlinkat(Libc.AT_FDCWD, path, 0);
        return Open(path, flags, mode);
    }

    /// <param name="path">For the error.</param>
    public static void WriteAll(SafeFileHandle file, ReadOnlySpan<byte> content, string path)
    {
        while (!content.IsEmpty)
        {
            // SAFETY: the span is pinned for the length of the call.
            fixed (byte* start = content)
            {
                var count = Libc.write(file, start, (nuint)content.Length);
                LinuxException.ThrowIfNegative(count, $"Cannot write {path}");
                content = content[(int)count..];
            }
        }
    }

    /// <summary>Waits without a descriptor, for the few places where the kernel offers nothing to wait on.</summary>
    public static void Pause(int milliseconds) => _ = Libc.poll(null, 0, milliseconds);
}
