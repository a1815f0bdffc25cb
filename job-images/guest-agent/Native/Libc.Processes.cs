using System.Runtime.InteropServices;

namespace RunnerVm.GuestAgent.Native;

/// <summary>spawn.h, signal.h, sys/wait.h, sys/resource.h.</summary>
internal static unsafe partial class Libc
{
    public const short POSIX_SPAWN_SETSIGDEF = 0x04;
    public const short POSIX_SPAWN_SETSIGMASK = 0x08;
    public const short POSIX_SPAWN_SETSID = 0x80;

    /// <summary>Room for posix_spawnattr_t (336 bytes in glibc).</summary>
    [StructLayout(LayoutKind.Sequential, Size = 512)]
    public struct SpawnAttributes
    {
        private long _first;
    }

    /// <summary>Room for posix_spawn_file_actions_t (80 bytes in glibc).</summary>
    [StructLayout(LayoutKind.Sequential, Size = 256)]
    public struct SpawnFileActions
    {
        private long _first;
    }

    /// <summary>sigset_t: one bit for each of 1,024 signals.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 128)]
    public struct SignalSet
    {
        private long _first;
    }

    [LibraryImport(Library)]
    public static partial int posix_spawnattr_init(SpawnAttributes* attributes);

    [LibraryImport(Library)]
    public static partial int posix_spawnattr_destroy(SpawnAttributes* attributes);

    [LibraryImport(Library)]
    public static partial int posix_spawnattr_setflags(SpawnAttributes* attributes, short flags);

    [LibraryImport(Library)]
    public static partial int posix_spawnattr_setsigdefault(SpawnAttributes* attributes, SignalSet* set);

    [LibraryImport(Library)]
    public static partial int posix_spawnattr_setsigmask(SpawnAttributes* attributes, SignalSet* set);

    [LibraryImport(Library)]
    public static partial int posix_spawn_file_actions_init(SpawnFileActions* actions);

    [LibraryImport(Library)]
    public static partial int posix_spawn_file_actions_destroy(SpawnFileActions* actions);

    [LibraryImport(Library)]
    public static partial int posix_spawn_file_actions_adddup2(SpawnFileActions* actions, int fd, int target);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int posix_spawn_file_actions_addopen(SpawnFileActions* actions, int fd, string path, int flags, int mode);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int posix_spawn_file_actions_addchdir_np(SpawnFileActions* actions, string path);

    /// <returns>0 or an error number; errno is not used.</returns>
    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int posix_spawn(
        int* pid, string path, SpawnFileActions* actions, SpawnAttributes* attributes, byte** arguments, byte** environment);

    /// <summary>struct clone_args (linux/sched.h).</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct CloneArguments
    {
        public ulong flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
    }

    [LibraryImport(Library)]
    public static partial int pthread_sigmask(int how, SignalSet* set, SignalSet* before);

    public const int PROT_READ = 1, PROT_WRITE = 2, PROT_EXEC = 4;
    public const int MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_ANONYMOUS = 0x20;
    public static readonly void* MAP_FAILED = (void*)-1;

    [LibraryImport(Library, SetLastError = true)]
    public static partial void* mmap(void* address, nuint length, int protection, int flags, int fd, long offset);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int mprotect(void* address, nuint length, int protection);

    public const int SIGKILL = 9;
    public const int SIGTERM = 15;

    [LibraryImport(Library, SetLastError = true)]
    public static partial int kill(int pid, int signal);

    public const int P_ALL = 0;
    public const int P_PID = 1;
    public const int WEXITED = 4;
    public const int WNOWAIT = 0x01000000;
    public const int CLD_EXITED = 1;

    /// <summary>siginfo_t as waitid fills it in on 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 128)]
    public struct SignalInfo
    {
        [FieldOffset(8)]
        public int si_code;

        [FieldOffset(16)]
        public int si_pid;

        [FieldOffset(24)]
        public int si_status;
    }

    [LibraryImport(Library, SetLastError = true)]
    public static partial int waitid(int idType, int id, SignalInfo* info, int options);

    public const int RLIMIT_CORE = 4;
    public const int RLIMIT_NPROC = 6;
    public const int RLIMIT_NOFILE = 7;
    public const ulong RLIM_INFINITY = ulong.MaxValue;

    [StructLayout(LayoutKind.Sequential)]
    public struct ResourceLimit
    {
        public ulong rlim_cur;
        public ulong rlim_max;
    }

    [LibraryImport(Library, SetLastError = true)]
    public static partial int setrlimit(int resource, ResourceLimit* limit);
}
