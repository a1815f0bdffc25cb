using System.Runtime.InteropServices;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Monitor.Seccomp;

/// <summary>
/// The kernel's form of a list of rules: a program of classic BPF over <see cref="seccomp_data"/> that ends in the call's fate
/// (Documentation/userspace-api/seccomp_filter.rst). What no rule names is trapped.
/// </summary>
/// <remarks>
/// Calls are compared one after the other, so the busiest go first. x32's calls have bit 30 set in their numbers and equal
/// none of ours.
/// </remarks>
internal static class BpfProgram
{
    private const ushort LoadWord = LibC.BPF_LD | LibC.BPF_W | LibC.BPF_ABS;
    private const ushort And = LibC.BPF_ALU | LibC.BPF_AND | LibC.BPF_K;
    private const ushort JumpIfEqual = LibC.BPF_JMP | LibC.BPF_JEQ | LibC.BPF_K;
    private const ushort Return = LibC.BPF_RET | LibC.BPF_K;

    private static readonly uint NumberOffset = Offset(nameof(seccomp_data.nr));
    private static readonly uint ArchitectureOffset = Offset(nameof(seccomp_data.arch));
    private static readonly uint ArgumentsOffset = Offset(nameof(seccomp_data.args));

    /// <summary>Of several rules for one call the first whose checks hold decides.</summary>
    public static sock_filter[] Assemble(IEnumerable<CallRule> rules)
    {
        // The same number is another call elsewhere: i386's are made from 64-bit code by int 0x80.
        List<sock_filter> program =
        [
            Instruction(LoadWord, ArchitectureOffset),
            Instruction(JumpIfEqual, LibC.AUDIT_ARCH_X86_64, ifEqual: 1, ifNot: 0),
            Instruction(Return, LibC.SECCOMP_RET_TRAP),
            Instruction(LoadWord, NumberOffset),
        ];
        foreach (var call in rules.GroupBy(static rule => rule.Call))
        {
            List<sock_filter> block = [.. call.SelectMany(Judge), Instruction(Return, LibC.SECCOMP_RET_TRAP)];
            program.Add(Instruction(JumpIfEqual, (uint)call.Key, ifEqual: 0, ifNot: checked((byte)block.Count)));
            program.AddRange(block);
        }

        program.Add(Instruction(Return, LibC.SECCOMP_RET_TRAP));
        return program.Count <= LibC.BPF_MAXINSNS ? [.. program] : throw new InvalidOperationException($"A filter of {program.Count} instructions.");
    }

    /// <summary>Returns the rule's answer, or falls through behind it when a check fails.</summary>
    private static List<sock_filter> Judge(CallRule rule)
    {
        List<sock_filter> block = [Instruction(Return, rule.Answer)];
        foreach (var check in rule.Checks.Reverse())
        {
            block.Insert(0, Instruction(JumpIfEqual, check.Value, ifEqual: 0, ifNot: checked((byte)block.Count)));
            if (check.Mask != uint.MaxValue) block.Insert(0, Instruction(And, check.Mask));
            // x86-64 is little-endian: the lower half comes first.
            block.Insert(0, Instruction(LoadWord, ArgumentsOffset + ((uint)check.Word * sizeof(uint))));
        }

        return block;
    }

    private static sock_filter Instruction(ushort code, uint operand, byte ifEqual = 0, byte ifNot = 0) =>
        new() { code = code, k = operand, jt = ifEqual, jf = ifNot };

    private static uint Offset(string field) => (uint)Marshal.OffsetOf<seccomp_data>(field);
}
