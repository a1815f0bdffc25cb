namespace RunnerVm.Vmm.Native.Libc;

// Classic BPF, of which seccomp takes 32-bit loads at fixed offsets, arithmetic, jumps and returns.
internal static partial class LibC
{
    public const int BPF_LD = 0x00;
    public const int BPF_ALU = 0x04;
    public const int BPF_JMP = 0x05;
    public const int BPF_RET = 0x06;
    public const int BPF_W = 0x00;
    public const int BPF_ABS = 0x20;
    public const int BPF_AND = 0x50;
    public const int BPF_JEQ = 0x10;
    public const int BPF_K = 0x00;
    public const int BPF_MAXINSNS = 4096;
}

/// <summary>One instruction; a jump passes over <c>jt</c> or <c>jf</c> instructions.</summary>
internal struct sock_filter
{
    public ushort code;
    public byte jt;
    public byte jf;
    public uint k;
}

internal unsafe struct sock_fprog
{
    public ushort len;
    public sock_filter* filter;
}
