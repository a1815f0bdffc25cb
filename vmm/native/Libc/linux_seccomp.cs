using System.Runtime.CompilerServices;

namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    public const int SECCOMP_SET_MODE_FILTER = 1;
    public const int SECCOMP_FILTER_FLAG_TSYNC = 1;
    public const uint SECCOMP_RET_TRAP = 0x00030000;
    public const uint SECCOMP_RET_ERRNO = 0x00050000;
    public const uint SECCOMP_RET_ALLOW = 0x7fff0000;
    public const uint SECCOMP_RET_DATA = 0x0000ffff;

    /// <summary>linux/audit.h: how the kernel names x86-64.</summary>
    public const uint AUDIT_ARCH_X86_64 = 0xC000003E;
}

/// <summary>What a filter looks at.</summary>
internal struct seccomp_data
{
    public int nr;
    public uint arch;
    public ulong instruction_pointer;
    public seccomp_data_args args;
}

[InlineArray(6)]
internal struct seccomp_data_args
{
    private ulong _element;
}
