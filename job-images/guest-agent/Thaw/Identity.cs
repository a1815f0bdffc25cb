using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Thaw;

/// <summary>What two restores of one snapshot would share if nobody changed it: clock, random generator, name.</summary>
internal static unsafe class Identity
{
    private static readonly SafeFileHandle s_random = KernelFile.Open("/dev/urandom", Libc.O_RDWR);

    public static void SetClock(long unixTimeNanoseconds)
    {
        var (seconds, nanoseconds) = Math.DivRem(unixTimeNanoseconds, 1_000_000_000);
        var time = new Libc.TimeSpec { tv_sec = seconds, tv_nsec = nanoseconds };
        // SAFETY: the kernel reads the structure on the stack.
        LinuxException.ThrowIfNegative(Libc.clock_settime(Libc.CLOCK_REALTIME, &time), "Cannot set the clock");
    }

    /// <summary>Mixes the bytes in as true entropy and makes the generator start over from them.</summary>
    public static void CreditEntropy(ReadOnlySpan<byte> entropy)
    {
        // struct rand_pool_info: entropy in bits, bytes that follow, the bytes (random(4)).
        var pool = new byte[8 + entropy.Length];
        BinaryPrimitives.WriteInt32LittleEndian(pool, entropy.Length * 8);
        BinaryPrimitives.WriteInt32LittleEndian(pool.AsSpan(4), entropy.Length);
        entropy.CopyTo(pool.AsSpan(8));
        // SAFETY: the structure says how long it is, and is pinned.
        fixed (byte* start = pool) LinuxException.ThrowIfNegative(Libc.ioctl(s_random, Libc.RNDADDENTROPY, start), "Cannot add entropy");
        LinuxException.ThrowIfNegative(Libc.ioctl(s_random, Libc.RNDRESEEDCRNG, null), "Cannot reseed the random generator");
    }

    public static void SetHostname(string name)
    {
        var bytes = Encoding.UTF8.GetBytes(name);
        // SAFETY: pinned for the length of the call.
        fixed (byte* start = bytes) LinuxException.ThrowIfNegative(Libc.sethostname(start, (nuint)bytes.Length), $"Cannot set the host name {name}");
    }

    /// <summary>As uname -n.</summary>
    public static string Hostname() => SystemName(1);

    /// <summary>As uname -r.</summary>
    public static string KernelRelease() => SystemName(2);

    /// <summary>Fills the span from the kernel's generator.</summary>
    public static void Random(Span<byte> bytes)
    {
        // SAFETY: pinned for the length of the call. The device gives up to 256 bytes in one piece.
        fixed (byte* start = bytes) LinuxException.ThrowIfNegative(Libc.read(s_random, start, (nuint)bytes.Length), "Cannot read random bytes");
    }

    private static string SystemName(int field)
    {
        var names = stackalloc byte[Libc.UtsFieldSize * 6];
        // SAFETY: uname fills six fields of 65 bytes.
        LinuxException.ThrowIfNegative(Libc.uname(names), "Cannot ask the kernel for its names");
        return new((sbyte*)names + (field * Libc.UtsFieldSize));
    }
}
