using System.Runtime.InteropServices;
using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Native.Seccomp;

/// <summary>
/// Ends the process when a filter traps a system call (SIGSYS), with a line on standard error that names call and thread.
/// </summary>
/// <remarks>
/// The signal comes in the midst of whatever the thread did: in managed code, in the collector, in malloc. No C# can run
/// there, since entering it may wait for a collection that waits for this very thread. So the handler is machine code that makes three
/// system calls and touches nothing but its stack and a page nobody writes.
/// </remarks>
internal static class ForbiddenCallHandler
{
    /// <summary>Firecracker's.</summary>
    public const int ExitStatus = 148;

    /// <summary>Of the data behind the code; the code knows it.</summary>
    private const int DataOffset = 256;

    /// <summary>Of an iovec.</summary>
    private const int PieceBytes = 16;

    /// <summary>Behind code, count and an iovec for each of four texts and of the names.</summary>
    private const int TextOffset = DataOffset + ((1 + 4 + SystemCallNames.Count + 1) * PieceBytes);

    /// <summary>Enough for all of it: a longer text would be refused when it is written.</summary>
    private const int Bytes = 4 * 4096;

    /// <summary>
    /// Data: the count of names at 0, then iovecs: the four texts at 16, the names at 80, and behind them what stands for a number
    /// without a name. On the stack: the thread's name in 16 bytes, the number's digits in 16, below them the line as seven iovecs.
    /// A test assembles the right column.
    /// </summary>
    internal static ReadOnlySpan<byte> Code =>
    [
        0x49, 0x89, 0xf4,                                     // mov r12, rsi                  siginfo_t
        0x48, 0x8d, 0x1d, 0xf6, 0x00, 0x00, 0x00,             // lea rbx, [rip + 0xf6]         data
        0x48, 0x83, 0xec, 0x20,                               // sub rsp, 32
        0xb8, 0x9d, 0x00, 0x00, 0x00,                         // mov eax, 157                  prctl
        0xbf, 0x10, 0x00, 0x00, 0x00,                         // mov edi, 16                   PR_GET_NAME
        0x48, 0x89, 0xe6,                                     // mov rsi, rsp
        0x0f, 0x05,                                           // syscall
        0x4c, 0x8d, 0x44, 0x24, 0x20,                         // lea r8, [rsp + 32]
        0x41, 0x8b, 0x44, 0x24, 0x18,                         // mov eax, [r12 + 24]           si_syscall
        0xb9, 0x0a, 0x00, 0x00, 0x00,                         // mov ecx, 10
        0x31, 0xd2,                                           // digit: xor edx, edx
        0xf7, 0xf1,                                           // div ecx
        0x83, 0xc2, 0x30,                                     // add edx, 48
        0x49, 0xff, 0xc8,                                     // dec r8
        0x41, 0x88, 0x10,                                     // mov [r8], dl
        0x85, 0xc0,                                           // test eax, eax
        0x75, 0xef,                                           // jnz digit
        0x48, 0x89, 0xe7,                                     // mov rdi, rsp                  length of the thread's name
        0xb9, 0x10, 0x00, 0x00, 0x00,                         // mov ecx, 16
        0xf2, 0xae,                                           // repne scasb
        0x48, 0x29, 0xe7,                                     // sub rdi, rsp
        0x48, 0xff, 0xcf,                                     // dec rdi
        0x49, 0x89, 0xe1,                                     // mov r9, rsp
        0xff, 0x73, 0x48,                                     // push [rbx + 72]               the line's end
        0xff, 0x73, 0x40,                                     // push [rbx + 64]
        0x57,                                                 // push rdi                      the thread
        0x41, 0x51,                                           // push r9
        0xff, 0x73, 0x38,                                     // push [rbx + 56]
        0xff, 0x73, 0x30,                                     // push [rbx + 48]
        0x49, 0x8d, 0x41, 0x20,                               // lea rax, [r9 + 32]
        0x4c, 0x29, 0xc0,                                     // sub rax, r8
        0x50,                                                 // push rax                      the digits
        0x41, 0x50,                                           // push r8
        0xff, 0x73, 0x28,                                     // push [rbx + 40]
        0xff, 0x73, 0x20,                                     // push [rbx + 32]
        0x41, 0x8b, 0x44, 0x24, 0x18,                         // mov eax, [r12 + 24]
        0x41, 0x81, 0x7c, 0x24, 0x1c, 0x3e, 0x00, 0x00, 0xc0, // cmp dword ptr [r12 + 28], 0xc000003e    si_arch, AUDIT_ARCH_X86_64
        0x75, 0x04,                                           // jne nameless
        0x3b, 0x03,                                           // cmp eax, [rbx]
        0x72, 0x02,                                           // jb named
        0x8b, 0x03,                                           // nameless: mov eax, [rbx]
        0xc1, 0xe0, 0x04,                                     // named: shl eax, 4
        0xff, 0x74, 0x03, 0x58,                               // push [rbx + rax + 88]
        0xff, 0x74, 0x03, 0x50,                               // push [rbx + rax + 80]
        0xff, 0x73, 0x18,                                     // push [rbx + 24]               the line's beginning
        0xff, 0x73, 0x10,                                     // push [rbx + 16]
        0xb8, 0x14, 0x00, 0x00, 0x00,                         // mov eax, 20                   writev
        0xbf, 0x02, 0x00, 0x00, 0x00,                         // mov edi, 2                    standard error
        0x48, 0x89, 0xe6,                                     // mov rsi, rsp
        0xba, 0x07, 0x00, 0x00, 0x00,                         // mov edx, 7
        0x0f, 0x05,                                           // syscall
        0xb8, 0xe7, 0x00, 0x00, 0x00,                         // mov eax, 231                  exit_group
        0xbf, 0x94, 0x00, 0x00, 0x00,                         // mov edi, 148
        0x0f, 0x05,                                           // syscall
        0x0f, 0x0b,                                           // ud2
    ];

    /// <summary>Stays: filters cannot be taken off again.</summary>
    private static readonly MappedRegion Handler = Assemble();

    /// <summary>Makes the handler the process's own.</summary>
    public static unsafe void Install()
    {
        var action = new sigaction { sa_sigaction = (nint)Handler.Address, sa_flags = LibC.SA_SIGINFO };
        // SAFETY: the structure lives on this stack during the call; the code is executable and never unmapped.
        if (LibC.sigaction(LibC.SIGSYS, &action, null) != 0) throw LinuxException.Last("handle signal SIGSYS");
    }

    private static MappedRegion Assemble()
    {
        var region = MappedRegion.Anonymous(Bytes);
        region.Write(0, Code);
        region.Write(DataOffset, BitConverter.GetBytes((ulong)SystemCallNames.Count));
        var (piece, text) = ((nuint)(DataOffset + PieceBytes), (nuint)TextOffset);
        Add("runnervm-vmm: system call "u8);
        Add(" (number "u8);
        Add(") is not allowed on thread \""u8);
        Add("\"; the process ends. If nothing attacks it this is a bug: report this line; --no-seccomp runs without the filters.\n"u8);
        foreach (var name in SystemCallNames.First.Split((byte)' ')) Add(SystemCallNames.First[name]);
        for (var number = SystemCallNames.AfterFirst; number < SystemCallNames.Later; number++) Add("unknown"u8);
        foreach (var name in SystemCallNames.FromLater.Split((byte)' ')) Add(SystemCallNames.FromLater[name]);
        Add("unknown"u8);
        region.MakeExecutable();
        return region;

        void Add(ReadOnlySpan<byte> words)
        {
            ReadOnlySpan<ulong> iovec = [region.Address + text, (ulong)words.Length];
            region.Write(piece, MemoryMarshal.AsBytes(iovec));
            region.Write(text, words);
            (piece, text) = (piece + PieceBytes, text + (nuint)words.Length);
        }
    }
}
