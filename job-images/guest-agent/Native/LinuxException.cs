using System.Runtime.InteropServices;

namespace RunnerVm.GuestAgent.Native;

/// <summary>A system call failed: what was attempted, and the kernel's reason.</summary>
internal sealed class LinuxException(string attempt, int errno)
    : IOException($"{attempt}: {Describe(errno)}.")
{
    public int Errno => errno;

    /// <summary>The kernel's reason in the C library's words, for example "No such file or directory".</summary>
    public static string Describe(int errno) => Marshal.GetPInvokeErrorMessage(errno);

    /// <summary>For the usual convention that a negative result means errno is set.</summary>
    public static void ThrowIfNegative(long result, string attempt)
    {
        if (result < 0) throw new LinuxException(attempt, Libc.Errno);
    }
}
