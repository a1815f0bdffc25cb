using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Random;

/// <summary>The kernel's random numbers (getrandom(2)), without the cryptography library .NET's own generator would load.</summary>
internal static class HostRandom
{
    public static unsafe void Fill(Span<byte> into)
    {
        while (!into.IsEmpty)
        {
            nint count;
            fixed (byte* bytes = into)
            {
                // SAFETY: the kernel writes at most into.Length bytes of the pinned span.
                count = LibC.getrandom(bytes, (nuint)into.Length, 0);
            }

            if (count > 0) into = into[(int)count..];
            else if (System.Runtime.InteropServices.Marshal.GetLastPInvokeError() != LibC.EINTR)
                throw LinuxException.Last("read random numbers from the kernel");
        }
    }
}
