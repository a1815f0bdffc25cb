namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    /// <summary>A macro in C: the two numbers as dev_t holds them.</summary>
    public static ulong makedev(uint major, uint minor) =>
        ((ulong)(major & 0xfffff000) << 32) | ((ulong)(major & 0xfff) << 8) | ((ulong)(minor & 0xffffff00) << 12) | (minor & 0xff);
}
