using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

[assembly: DisableRuntimeMarshalling]

namespace RunnerVm.GuestAgent.Native;

/// <summary>
/// The C library's calls the agent needs, by their C names, one partial file for each group of headers. Nothing is
/// checked here; callers throw <see cref="LinuxException"/>.
/// </summary>
internal static unsafe partial class Libc
{
    private const string Library = "libc";

    public const int EPERM = 1;
    public const int ENOENT = 2;
    public const int EINTR = 4;
    public const int EIO = 5;
    public const int E2BIG = 7;
    public const int ENOEXEC = 8;
    public const int ECHILD = 10;
    public const int EAGAIN = 11;
    public const int EACCES = 13;
    public const int EBUSY = 16;
    public const int EEXIST = 17;
    public const int ENODEV = 19;
    public const int ENOTDIR = 20;
    public const int EISDIR = 21;
    public const int EINVAL = 22;
    public const int EPIPE = 32;
    public const int ELOOP = 40;
    public const int ENOSYS = 38;
    public const int ENOTEMPTY = 39;

    /// <summary>errno of the last call of this thread that asked for it to be kept.</summary>
    public static int Errno => Marshal.GetLastPInvokeError();

    // unistd.h

    [LibraryImport(Library, SetLastError = true)]
    public static partial nint read(SafeFileHandle fd, void* buffer, nuint count);

    [LibraryImport(Library, SetLastError = true)]
    public static partial nint write(SafeFileHandle fd, void* buffer, nuint count);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int pipe2(int* ends, int flags);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int chdir(string path);

    [LibraryImport(Library, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int chroot(string path);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int sethostname(byte* name, nuint length);

    [LibraryImport(Library)]
    public static partial void sync();

    [LibraryImport(Library, SetLastError = true)]
    public static partial long syscall(long number, nint a, nint b, nint c, nint d);

    public const long SYS_read = 0;
    public const long SYS_rt_sigaction = 13;
    public const long SYS_rt_sigprocmask = 14;
    public const long SYS_dup2 = 33;
    public const long SYS_execve = 59;
    public const long SYS_chdir = 80;
    public const long SYS_setsid = 112;
    public const long SYS_exit_group = 231;
    public const long SYS_getdents64 = 217;
    public const long SYS_finit_module = 313;
    public const long SYS_openat2 = 437;

    // fcntl.h, poll.h, sys/eventfd.h

    public const int F_GETFL = 3;
    public const int F_SETFL = 4;
    public const int F_DUPFD_CLOEXEC = 1030;

    [LibraryImport(Library, SetLastError = true)]
    public static partial int fcntl(SafeFileHandle fd, int command, nint argument);

    public const short POLLIN = 1;
    public const short POLLOUT = 4;
    public const short POLLERR = 8;
    public const short POLLHUP = 16;

    [StructLayout(LayoutKind.Sequential)]
    public struct PollFd
    {
        public int fd;
        public short events;
        public short revents;
    }

    [LibraryImport(Library, SetLastError = true)]
    public static partial int poll(PollFd* fds, nuint count, int timeoutMilliseconds);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int eventfd(uint initial, int flags);

    // sys/ioctl.h, sys/socket.h

    public const nuint RNDADDENTROPY = 0x40085203;
    public const nuint RNDRESEEDCRNG = 0x5207;
    public const nuint FIONREAD = 0x541b;
    public const nuint TIOCSPTLCK = 0x40045431;
    public const nuint TIOCGPTN = 0x80045430;
    public const nuint TIOCSWINSZ = 0x5414;
    public const nuint SIOCGIFFLAGS = 0x8913;
    public const nuint SIOCSIFFLAGS = 0x8914;

    public const int AF_INET = 2;
    public const int SOCK_DGRAM = 2;
    public const int SOCK_CLOEXEC = 0x80000;

    [LibraryImport(Library, SetLastError = true)]
    public static partial int ioctl(SafeFileHandle fd, nuint request, void* argument);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int socket(int domain, int type, int protocol);

    // time.h, sys/utsname.h, sys/reboot.h

    public const int CLOCK_REALTIME = 0;
    public const int CLOCK_BOOTTIME = 7;

    [StructLayout(LayoutKind.Sequential)]
    public struct TimeSpec
    {
        public long tv_sec;
        public long tv_nsec;
    }

    [LibraryImport(Library, SetLastError = true)]
    public static partial int clock_settime(int clock, TimeSpec* time);

    [LibraryImport(Library, SetLastError = true)]
    public static partial int clock_gettime(int clock, TimeSpec* time);

    /// <summary>Six fields of <see cref="UtsFieldSize"/> bytes: sysname, nodename, release, version, machine, domainname.</summary>
    [LibraryImport(Library, SetLastError = true)]
    public static partial int uname(byte* names);

    public const int UtsFieldSize = 65;

    public const int RB_AUTOBOOT = 0x01234567;

    [LibraryImport(Library, SetLastError = true)]
    public static partial int reboot(int command);

    [LibraryImport(Library)]
    public static partial void _exit(int status);
}
