namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    public const uint BLKGETSIZE64 = 0x80081272;
}
