using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Monitor.Configuration;

/// <summary>What a request says about files of the host, looked at when it says so: whoever uses a file opens it again, and may still fail.</summary>
internal static class HostFiles
{
    /// <summary>Nothing is opened that could block: a named pipe is refused by its kind, not waited for.</summary>
    public static void MustBeDisk(string field, string path, bool writable)
    {
        using var file = Open(field, path, writable ? LibC.O_RDWR : LibC.O_RDONLY);
        if (file.Kind() is not (FileKind.Regular or FileKind.BlockDevice))
            throw new VmmFaultException($"{field}: {path} is {Describe(file.Kind())}. Give a file or a block device.");
    }

    /// <summary>The first <paramref name="into"/> bytes, or as many as there are.</summary>
    public static int ReadStart(string field, string path, Span<byte> into)
    {
        using var file = Open(field, path, LibC.O_RDONLY);
        if (file.Kind() != FileKind.Regular) throw new VmmFaultException($"{field}: {path} is {Describe(file.Kind())}. Give a file.");
        try
        {
            using var again = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return RandomAccess.Read(again, into, 0);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new VmmFaultException($"{field}: cannot read {path}: {cause.Message}", cause);
        }
    }

    /// <summary>A path the kernel can be asked for; whether anything is there is another question.</summary>
    public static void MustBePath(string field, string path)
    {
        if (path.Length == 0 || path.Contains('\0', StringComparison.Ordinal)) throw new VmmFaultException($"{field}: is empty or has a zero character. Give the path of a file.");
    }

    private static FileDescriptor Open(string field, string path, int flags)
    {
        MustBePath(field, path);
        try
        {
            return FileDescriptor.Open(path, flags | LibC.O_NONBLOCK, Fix);
        }
        catch (LinuxException cause)
        {
            throw new VmmFaultException($"{field}: {cause.Message}", cause);
        }
    }

    private static string? Fix(int errno) => errno switch
    {
        LibC.ENOENT => "Check the path; in a jail it is a path inside it.",
        LibC.EACCES => "Let the user of this process read it (and write it, unless the drive is read-only).",
        LibC.EISDIR => "Give a file or a block device.",
        LibC.EROFS => "Set is_read_only, or give a file on a file system that can be written.",
        _ => null,
    };

    private static string Describe(FileKind kind) => kind switch
    {
        FileKind.Directory => "a directory",
        FileKind.NamedPipe => "a named pipe",
        FileKind.BlockDevice => "a block device",
        _ => "neither a file nor a block device",
    };
}
