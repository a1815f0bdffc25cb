namespace RunnerVm.Vmm.Native.Libc;

internal static partial class LibC
{
    public const uint _LINUX_CAPABILITY_VERSION_3 = 0x20080522;
    public const int _LINUX_CAPABILITY_U32S_3 = 2;
}

internal struct __user_cap_header_struct
{
    public uint version;
    public int pid;
}

/// <summary>Version 3 has two of them.</summary>
internal struct __user_cap_data_struct
{
    public uint effective, permitted, inheritable;
}
