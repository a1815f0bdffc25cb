using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Monitor.Seccomp;

/// <summary>One call that passes a filter, or is answered with an error in the kernel's stead, when all of its checks hold.</summary>
/// <param name="Answer">SECCOMP_RET_*.</param>
internal sealed record CallRule(SystemCall Call, uint Answer, params ArgumentCheck[] Checks)
{
    public static CallRule Allow(SystemCall call, params ArgumentCheck[] checks) => new(call, LibC.SECCOMP_RET_ALLOW, checks);

    /// <summary>For calls the runtime tries and can do without.</summary>
    public static CallRule Refuse(SystemCall call) => new(call, LibC.SECCOMP_RET_ERRNO | LibC.EACCES);
}

/// <summary>
/// What the low 32 bits of an argument must be. All arguments that are looked at are numbers of 32 bits or flags among
/// the lower 32: filters cannot follow pointers.
/// </summary>
/// <param name="Index">From 0.</param>
internal readonly record struct ArgumentCheck(int Index, uint Mask, uint Value)
{
    public static ArgumentCheck Is(int index, uint value) => new(index, uint.MaxValue, value);

    public static ArgumentCheck Has(int index, uint flags) => new(index, flags, flags);

    public static ArgumentCheck HasNot(int index, uint flags) => new(index, flags, 0);
}
