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
/// What half an argument must be: a filter compares 32 bits at a time, and follows no pointers. Numbers and flags are in the
/// lower half, which is all the kernel looks at where its parameter is an int.
/// </summary>
/// <param name="Word">Twice the argument's index, plus one for the upper half.</param>
internal readonly record struct ArgumentCheck(int Word, uint Mask, uint Value)
{
    public static ArgumentCheck Is(int index, uint value) => new(index * 2, uint.MaxValue, value);

    public static ArgumentCheck Has(int index, uint flags) => new(index * 2, flags, flags);

    public static ArgumentCheck HasNot(int index, uint flags) => new(index * 2, flags, 0);

    /// <summary>A null pointer.</summary>
    public static ArgumentCheck[] IsNull(int index) => [Is(index, 0), new((index * 2) + 1, uint.MaxValue, 0)];
}
