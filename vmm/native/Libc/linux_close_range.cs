namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    /// <summary>Linux 5.11.</summary>
    public const int CLOSE_RANGE_CLOEXEC = 4;
}
