using System.Buffers.Binary;

namespace RunnerVm.Benchmarks;

/// <summary>Guests of a few instructions, as ELF kernels entered in 64-bit mode: what a monitor costs, without a kernel's share.</summary>
internal static class TinyGuest
{
    /// <summary>What a guest prints when it has done its work.</summary>
    public const byte Mark = (byte)'!';

    private const ulong LoadAddress = 0x10_0000;
    private const int HeaderBytes = 64 + 56;

    /// <summary>Prints <see cref="Mark"/> with its first instructions and halts for good.</summary>
    public static byte[] Print() => Elf([.. PrintMark(), .. Halt()]);

    /// <summary>Prints again and again, with a while of counting in between.</summary>
    public static byte[] PrintForEver() => Elf(
    [
        .. PrintMark(),
        0xb9, .. BitConverter.GetBytes(200), // mov ecx, 200
        0xff, 0xc9,                          // dec ecx
        0x75, 0xfc,                          // jnz to the dec
        0xeb, 0xee,                          // jmp to the beginning
    ]);

    /// <summary>Prints, writes <paramref name="count"/> times to port 0x80, prints again, halts.</summary>
    public static byte[] WritePort(int count) => Elf(
    [
        .. PrintMark(),
        0xb9, .. BitConverter.GetBytes(count), // mov ecx, count
        0x66, 0xba, 0x80, 0x00,                // mov dx, 0x80
        0xee,                                  // out dx, al
        0xff, 0xc9,                            // dec ecx
        0x75, 0xfb,                            // jnz to the out
        .. PrintMark(), .. Halt(),
    ]);

    private static byte[] PrintMark() => [0x66, 0xba, 0xf8, 0x03, 0xb0, Mark, 0xee]; // mov dx, 0x3f8; mov al, '!'; out dx, al

    private static byte[] Halt() => [0xfa, 0xf4, 0xeb, 0xfd]; // cli; hlt; jmp to the hlt

    private static byte[] Elf(byte[] code)
    {
        var file = new byte[HeaderBytes + code.Length];
        ReadOnlySpan<byte> identification = [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1];
        identification.CopyTo(file);
        U16(16, 2);                          // e_type: ET_EXEC
        U16(18, 62);                         // e_machine: EM_X86_64
        U32(20, 1);                          // e_version
        U64(24, LoadAddress + HeaderBytes);  // e_entry
        U64(32, 64);                         // e_phoff
        U16(52, 64);                         // e_ehsize
        U16(54, 56);                         // e_phentsize
        U16(56, 1);                          // e_phnum
        U32(64, 1);                          // p_type: PT_LOAD
        U32(68, 7);                          // p_flags: RWX
        U64(80, LoadAddress);                // p_vaddr
        U64(88, LoadAddress);                // p_paddr
        U64(96, (ulong)file.Length);         // p_filesz
        U64(104, (ulong)file.Length);        // p_memsz
        U64(112, 0x1000);                    // p_align
        code.CopyTo(file.AsSpan(HeaderBytes));
        return file;

        void U16(int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(at), value);
        void U32(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(at), value);
        void U64(int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(at), value);
    }
}
