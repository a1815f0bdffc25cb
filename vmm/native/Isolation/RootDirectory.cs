using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Isolation;

/// <summary>The root directory of the calling thread, in a mount namespace of its own.</summary>
internal static class RootDirectory
{
    /// <summary>
    /// Makes <paramref name="name"/> in <paramref name="parent"/> the root, and lets go of all other mounts: unlike after
    /// chroot(2), there is nothing outside left to come back to.
    /// </summary>
    public static unsafe void SwitchTo(Folder parent, string name)
    {
        var here = new CStrings(".");
        // pivot_root(2) wants a mount point, so the folder is mounted on itself, with what is mounted below it.
        using (var folder = parent.Enter(name))
        {
            folder.WorkHere();
            // SAFETY: the string lives as long as the object, which is kept to the end.
            if (LibC.mount(here.First, here.First, null, LibC.MS_BIND | LibC.MS_REC, null) != 0) throw LinuxException.Last($"mount {folder.Path} on itself");
        }

        // Once more by its name: only this leads onto the new mount.
        using (var mounted = parent.Enter(name))
        {
            mounted.WorkHere();
            // SAFETY: as above. With both names the same the old root is stacked upon the new one (pivot_root(2), notes).
            if (LibC.syscall(LibC.SYS_pivot_root, here.First, here.First) != 0) throw LinuxException.Last($"make {mounted.Path} the root directory");
        }

        // SAFETY: as above. Lazily, since this process still has files of the old root open.
        if (LibC.umount2(here.First, LibC.MNT_DETACH) != 0) throw LinuxException.Last("unmount the old root directory");
        var root = new CStrings("/");
        // SAFETY: as above.
        if (LibC.chdir(root.First) != 0) throw LinuxException.Last("enter the new root directory");
        GC.KeepAlive(here);
        GC.KeepAlive(root);
    }
}
