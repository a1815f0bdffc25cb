using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Isolation;

/// <summary>The numbers behind a device node.</summary>
internal readonly record struct CharacterDevice(uint Major, uint Minor)
{
    /// <summary>Those of the node at <paramref name="path"/>; null when there is none.</summary>
    public static unsafe CharacterDevice? Find(string path)
    {
        statx found;
        var text = new CStrings(path);
        // SAFETY: the string is kept to the end, the structure is on this stack.
        var result = LibC.statx(LibC.AT_FDCWD, text.First, 0, LibC.STATX_BASIC_STATS, &found);
        GC.KeepAlive(text);
        return result == 0 && (found.stx_mode & LibC.S_IFMT) == LibC.S_IFCHR ? new(found.stx_rdev_major, found.stx_rdev_minor) : null;
    }
}
