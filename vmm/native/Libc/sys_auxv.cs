using System.Runtime.InteropServices;

namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    public const nuint AT_PHDR = 3;
    public const nuint AT_PHNUM = 5;

    [LibraryImport("libc")]
    public static partial nuint getauxval(nuint type);
}
