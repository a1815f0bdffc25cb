using System.Buffers.Binary;
using RunnerVm.Vmm.Native.Libc;
using Xunit;

namespace RunnerVm.Tests.Vmm.Seccomp;

/// <summary>Runs a filter as the kernel would: on the 64 bytes of struct seccomp_data.</summary>
internal static class BpfMachine
{
    public const uint X64 = LibC.AUDIT_ARCH_X86_64;

    /// <returns>SECCOMP_RET_*.</returns>
    public static uint Run(IReadOnlyList<sock_filter> program, uint number, ReadOnlySpan<ulong> arguments, uint architecture = X64)
    {
        Span<byte> data = stackalloc byte[64];
        data.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(data, number);
        BinaryPrimitives.WriteUInt32LittleEndian(data[4..], architecture);
        for (var i = 0; i < arguments.Length; i++) BinaryPrimitives.WriteUInt64LittleEndian(data[(16 + (i * 8))..], arguments[i]);

        uint accumulator = 0;
        for (var at = 0; ; at++)
        {
            var instruction = program[at];
            switch (instruction.code)
            {
                case 0x20:
                    Assert.True(instruction.k % 4 == 0 && instruction.k <= 60, $"A load at {instruction.k}.");
                    accumulator = BinaryPrimitives.ReadUInt32LittleEndian(data[(int)instruction.k..]);
                    break;
                case 0x54:
                    accumulator &= instruction.k;
                    break;
                case 0x15:
                    at += accumulator == instruction.k ? instruction.jt : instruction.jf;
                    break;
                case 0x06:
                    return instruction.k;
                default:
                    Assert.Fail($"Instruction 0x{instruction.code:x} at {at}.");
                    break;
            }
        }
    }
}
