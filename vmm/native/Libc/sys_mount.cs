using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    public const ulong MS_BIND = 0x1000;
    public const ulong MS_REC = 0x4000;
    public const ulong MS_PRIVATE = 0x40000;
    public const int MNT_DETACH = 2;

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int mount(byte* source, byte* target, byte* kind, ulong flags, void* data);

    [LibraryImport("libc", SetLastError = true)]
    public static unsafe partial int umount2(byte* target, int flags);
}
