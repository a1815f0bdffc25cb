using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    public const int SIG_BLOCK = 0;
    public const int SIG_SETMASK = 2;
    public const int SIGILL = 4;
    public const int SIGABRT = 6;
    public const int SIGBUS = 7;
    public const int SIGFPE = 8;
    public const int SIGSEGV = 11;
    public const int SIGPIPE = 13;
    public const int SIGSYS = 31;
    public const int SA_SIGINFO = 4;
    public const uint SA_RESETHAND = 0x8000_0000;

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int sigaction(int signal, sigaction* action, sigaction* old);

    /// <summary>Returns the error's number itself.</summary>
    [LibraryImport("libc")]
    public static unsafe partial int pthread_sigmask(int how, sigset_t* set, sigset_t* old);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int sigtimedwait(sigset_t* set, void* info, timespec* timeout);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int tgkill(int process, int thread, int signal);

    /// <summary>SIG_DFL is zero.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial nint signal(int signal, nint handler);

    [LibraryImport("libc")]
    public static partial int gettid();

    [LibraryImport("libc")]
    public static partial int getpid();
}

/// <summary>The C library's 1024 signals; the kernel knows the first 64.</summary>
[InlineArray(16)]
internal struct sigset_t
{
    private ulong _element;
}

internal struct sigaction
{
    /// <summary>Code: (signal, siginfo_t*, ucontext_t*) with SA_SIGINFO.</summary>
    public nint sa_sigaction;
    public sigset_t sa_mask;
    public int sa_flags;
    public nint sa_restorer;
}
