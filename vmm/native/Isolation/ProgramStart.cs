using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Isolation;

/// <summary>
/// Starts a program with the calling thread's credentials, root directory and namespaces, an empty environment, and no open
/// files but 0, 1 and 2.
/// </summary>
/// <remarks>
/// Never by fork: in a child of a managed process only the forking thread goes on, and the runtime it would run on waits for
/// the others. Either this process becomes the program, or posix_spawn(3) starts it in a child that is nothing but C code
/// up to its exec, on a stack of its own, while the parent's thread stands still (CLONE_VM and CLONE_VFORK).
/// </remarks>
internal static class ProgramStart
{
    /// <summary>Does not return.</summary>
    /// <param name="arguments">With the program's name as the first.</param>
    [DoesNotReturn]
    public static unsafe void Become(string path, IReadOnlyList<string> arguments)
    {
        LeaveNothingBehind();
        var (program, table, none) = (new CStrings(path), new CStrings(arguments), new CStrings());
        // SAFETY: all three are kept to the end.
        _ = LibC.execve(program.First, table.Table, none.Table);
        var errno = Marshal.GetLastPInvokeError();
        GC.KeepAlive(program);
        GC.KeepAlive(table);
        GC.KeepAlive(none);
        throw Problem(path, errno);
    }

    /// <summary>Returns the child's number as this process sees it, once the program is there.</summary>
    /// <param name="detached">
    /// Null, or what becomes its standard files; it then leads a session of its own, without a terminal (setsid(2)). This
    /// process keeps its own, to say what went wrong.
    /// </param>
    public static unsafe int Start(string path, IReadOnlyList<string> arguments, FileDescriptor? detached)
    {
        LeaveNothingBehind();
        posix_spawnattr_t attributes;
        posix_spawn_file_actions_t actions;
        // SAFETY: both structures are on this stack; each is made before it is used.
        Check(LibC.posix_spawnattr_init(&attributes));
        Check(LibC.posix_spawn_file_actions_init(&actions));
        if (detached is null) return Start(path, arguments, &attributes, &actions);
        using var fd = detached.Borrow();
        Check(LibC.posix_spawnattr_setflags(&attributes, LibC.POSIX_SPAWN_SETSID));
        for (var target = 0; target <= 2; target++) Check(LibC.posix_spawn_file_actions_adddup2(&actions, fd.Fd, target));
        return Start(path, arguments, &attributes, &actions);
    }

    private static unsafe int Start(
        string path, IReadOnlyList<string> arguments, posix_spawnattr_t* attributes, posix_spawn_file_actions_t* actions)
    {
        var (program, table, none) = (new CStrings(path), new CStrings(arguments), new CStrings());
        var pid = 0;
        // SAFETY: the structures are the caller's, the strings are kept to the end.
        var errno = LibC.posix_spawn(&pid, program.First, actions, attributes, table.Table, none.Table);
        _ = LibC.posix_spawn_file_actions_destroy(actions);
        GC.KeepAlive(program);
        GC.KeepAlive(table);
        GC.KeepAlive(none);
        return errno == 0 ? pid : throw Problem(path, errno);
    }

    /// <summary>Of the functions that only describe the start.</summary>
    private static void Check(int errno)
    {
        if (errno != 0) throw new LinuxException("prepare the start of a process", errno);
    }

    private static unsafe void LeaveNothingBehind()
    {
        // Only marked: the runtime may have files of its own open, and closing them under it would be felt before the exec.
        if (LibC.close_range(3, uint.MaxValue, LibC.CLOSE_RANGE_CLOEXEC) != 0)
            throw LinuxException.Last("mark the open files to be closed", static _ => "It needs Linux 5.11 or later.");

        // .NET's runtime ignores SIGPIPE, which an exec passes on; so it does with blocked signals.
        sigset_t none = default;
        // SAFETY: a set on this stack, during the call.
        _ = LibC.pthread_sigmask(LibC.SIG_SETMASK, &none, null);
        _ = LibC.signal(LibC.SIGPIPE, 0);
    }

    private static LinuxException Problem(string path, int errno) => new($"start {path} in the jail", errno, errno switch
    {
        LibC.ENOENT => "The program itself is there, so the loader or interpreter it names is not: take a statically linked program, or put into the jail what it needs.",
        LibC.ENOEXEC => "It is not a program for this processor.",
        LibC.EACCES => "The jail's file system may be mounted noexec.",
        _ => null,
    });
}
