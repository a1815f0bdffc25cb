using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Isolation;

/// <summary>
/// Namespaces of the calling thread (namespaces(7)). The other threads of the process stay where they are, which is why the
/// same thread has to do all that follows, up to the exec: the kernel ends the others there.
/// </summary>
internal static class Namespaces
{
    /// <param name="path">What the message names.</param>
    public static void JoinNetwork(FileDescriptor handle, string path)
    {
        using var fd = handle.Borrow();
        if (LibC.setns(fd.Fd, LibC.CLONE_NEWNET) != 0)
        {
            throw LinuxException.Last($"join the network namespace {path}", static errno => errno == LibC.EINVAL
                ? "It has to be a network namespace's handle, as 'ip netns add NAME' makes in /run/netns."
                : Privilege(errno));
        }
    }

    /// <summary>
    /// A mount table of the thread's own, with nothing passed on to or from the old one. Root and working directory, which
    /// threads share otherwise, are then the thread's own too: unshare(2) adds CLONE_FS to CLONE_NEWNS.
    /// </summary>
    public static unsafe void NewMounts()
    {
        if (LibC.unshare(LibC.CLONE_NEWNS) != 0) throw LinuxException.Last("make a mount namespace", Privilege);

        var root = new CStrings("/");
        // SAFETY: the string lives as long as the object, which is kept to the end.
        if (LibC.mount(null, root.First, null, LibC.MS_REC | LibC.MS_PRIVATE, null) != 0) throw LinuxException.Last("make the mounts below / private");
        GC.KeepAlive(root);
    }

    /// <summary>
    /// The next child of this thread is process 1 of a new pid namespace; the thread itself stays outside. No thread can be
    /// made in this process any more.
    /// </summary>
    public static void NewPidsForChildren()
    {
        if (LibC.unshare(LibC.CLONE_NEWPID) != 0) throw LinuxException.Last("make a pid namespace", Privilege);
    }

    private static string? Privilege(int errno) => errno == LibC.EPERM ? "It needs root with CAP_SYS_ADMIN." : null;
}
