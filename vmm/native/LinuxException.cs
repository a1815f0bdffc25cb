using System.Runtime.InteropServices;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native;

/// <summary>A system call failed. The message says what was attempted on what, why it failed and what to do.</summary>
internal sealed class LinuxException : Exception
{
    public LinuxException(string attempt, int errno, string? fix = null)
        : base($"Cannot {attempt}: {Describe(errno)} ({LibC.ErrnoName(errno)}).{(fix is null ? "" : " " + fix)}") =>
        (Problem, Errno, Fix) = ($"Cannot {attempt}: {Describe(errno)} ({LibC.ErrnoName(errno)})", errno, fix);

    /// <summary>The message without its fix and full stop, for those who show the fix elsewhere.</summary>
    public string Problem { get; }

    public int Errno { get; }

    /// <summary>A sentence, or null when nothing is known to help.</summary>
    public string? Fix { get; }

    /// <summary>For the call that has just failed on this thread.</summary>
    public static LinuxException Last(string attempt) => new(attempt, Marshal.GetLastPInvokeError());

    /// <param name="fix">Knows what to do about an errno, or null.</param>
    public static LinuxException Last(string attempt, Func<int, string?> fix)
    {
        var errno = Marshal.GetLastPInvokeError();
        return new(attempt, errno, fix(errno));
    }

    private static string Describe(int errno)
    {
        var text = Marshal.GetPInvokeErrorMessage(errno);
        return text.Length > 1 ? char.ToLowerInvariant(text[0]) + text[1..] : "failed";
    }
}
