using System.Runtime.InteropServices;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Isolation;

/// <summary>What the process may do (credentials(7), capabilities(7)).</summary>
internal static class Credentials
{
    /// <summary>Becomes that user in that one group; no way back. Groups first: afterwards we may not.</summary>
    public static unsafe void Become(uint uid, uint gid)
    {
        // SAFETY: a list of none.
        if (LibC.setgroups(0, null) != 0) throw LinuxException.Last("leave all groups");
        if (LibC.setresgid(gid, gid, gid) != 0) throw LinuxException.Last($"become group {gid}");
        if (LibC.setresuid(uid, uid, uid) != 0) throw LinuxException.Last($"become user {uid}");
    }

    /// <summary>No program started from here ever has a capability, set-uid or not, root or not.</summary>
    public static void CloseBounds()
    {
        // To the last one the kernel knows, which may be more than our headers do.
        for (var capability = 0ul; LibC.prctl(LibC.PR_CAPBSET_DROP, (nuint)capability, 0, 0, 0) == 0; capability++)
        {
        }

        if (Marshal.GetLastPInvokeError() != LibC.EINVAL) throw LinuxException.Last("drop the bounding set of capabilities");
        if (LibC.prctl(LibC.PR_CAP_AMBIENT, LibC.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) throw LinuxException.Last("drop the ambient capabilities");
        if (LibC.prctl(LibC.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw LinuxException.Last("give up new privileges");
    }

    /// <summary>The thread's own capabilities, inheritable ones too: these a change of user leaves alone.</summary>
    public static unsafe void DropCapabilities()
    {
        var header = new __user_cap_header_struct { version = LibC._LINUX_CAPABILITY_VERSION_3 };
        var none = stackalloc __user_cap_data_struct[LibC._LINUX_CAPABILITY_U32S_3];
        // SAFETY: both live on this stack during the call, in the number that version 3 reads.
        if (LibC.syscall(LibC.SYS_capset, &header, none) != 0) throw LinuxException.Last("drop all capabilities");
    }
}
