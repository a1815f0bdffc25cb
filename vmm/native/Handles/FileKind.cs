using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Handles;

/// <summary>What an open file is.</summary>
internal enum FileKind
{
    Other,
    Regular,
    Directory,
    BlockDevice,
    NamedPipe,
}

internal static class FileKinds
{
    /// <summary>Asks the kernel (statx(2)).</summary>
    public static unsafe FileKind Kind(this FileDescriptor file)
    {
        statx found;
        byte empty = 0;
        using var fd = file.Borrow();
        // SAFETY: an empty name and a structure on this stack, during the call.
        if (LibC.statx(fd.Fd, &empty, LibC.AT_EMPTY_PATH, LibC.STATX_BASIC_STATS, &found) != 0) throw LinuxException.Last("ask what an open file is");
        return (found.stx_mode & LibC.S_IFMT) switch
        {
            LibC.S_IFREG => FileKind.Regular,
            LibC.S_IFDIR => FileKind.Directory,
            LibC.S_IFBLK => FileKind.BlockDevice,
            LibC.S_IFIFO => FileKind.NamedPipe,
            _ => FileKind.Other,
        };
    }
}
