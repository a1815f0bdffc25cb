using System.Runtime.InteropServices;
using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Native.Threads;

/// <summary>
/// Says a line on standard error when the process aborts. Runtime and C library do so where they find their own state broken, and
/// mostly without a word: a damaged heap, a stack frame that was overrun, a thread that cannot be signalled.
/// </summary>
/// <remarks>
/// Nothing can be relied on then, least of all that C# can run. So the handler is machine code that touches its stack and a page
/// nobody writes. The kernel has taken it off before it runs (SA_RESETHAND): the signal it sends to its own thread at the end finds
/// nobody and ends the process as an abort does, with a core where one is wanted.
/// </remarks>
internal static class AbortHandler
{
    /// <summary>Of the data behind the code; the code knows it.</summary>
    private const int DataOffset = 256;

    private const int PieceBytes = 16;
    private const int Bytes = 4096;

    /// <summary>
    /// Data: the two texts as iovecs. On the stack: the thread's name in 16 bytes, below it the line as three iovecs. A test
    /// assembles the right column.
    /// </summary>
    internal static ReadOnlySpan<byte> Code =>
    [
        0x48, 0x83, 0xec, 0x10,                               // sub rsp, 16
        0xb8, 0x9d, 0x00, 0x00, 0x00,                         // mov eax, 157                  prctl
        0xbf, 0x10, 0x00, 0x00, 0x00,                         // mov edi, 16                   PR_GET_NAME
        0x48, 0x89, 0xe6,                                     // mov rsi, rsp
        0x0f, 0x05,                                           // syscall
        0x4c, 0x8d, 0x05, 0xe6, 0x00, 0x00, 0x00,             // lea r8, [rip + 0xe6]          data
        0x48, 0x89, 0xe7,                                     // mov rdi, rsp                  length of the thread's name
        0x31, 0xc0,                                           // xor eax, eax
        0xb9, 0x10, 0x00, 0x00, 0x00,                         // mov ecx, 16
        0xf2, 0xae,                                           // repne scasb
        0x48, 0x29, 0xe7,                                     // sub rdi, rsp
        0x48, 0xff, 0xcf,                                     // dec rdi
        0x49, 0x89, 0xe1,                                     // mov r9, rsp
        0x41, 0xff, 0x70, 0x18,                               // push [r8 + 24]                the line's end
        0x41, 0xff, 0x70, 0x10,                               // push [r8 + 16]
        0x57,                                                 // push rdi                      the thread
        0x41, 0x51,                                           // push r9
        0x41, 0xff, 0x70, 0x08,                               // push [r8 + 8]                 the line's beginning
        0x41, 0xff, 0x30,                                     // push [r8]
        0xb8, 0x14, 0x00, 0x00, 0x00,                         // mov eax, 20                   writev
        0xbf, 0x02, 0x00, 0x00, 0x00,                         // mov edi, 2                    standard error
        0x48, 0x89, 0xe6,                                     // mov rsi, rsp
        0xba, 0x03, 0x00, 0x00, 0x00,                         // mov edx, 3
        0x0f, 0x05,                                           // syscall
        0xb8, 0x27, 0x00, 0x00, 0x00,                         // mov eax, 39                   getpid
        0x0f, 0x05,                                           // syscall
        0x89, 0xc7,                                           // mov edi, eax
        0xb8, 0xba, 0x00, 0x00, 0x00,                         // mov eax, 186                  gettid
        0x0f, 0x05,                                           // syscall
        0x89, 0xc6,                                           // mov esi, eax
        0xba, 0x06, 0x00, 0x00, 0x00,                         // mov edx, 6                    SIGABRT
        0xb8, 0xea, 0x00, 0x00, 0x00,                         // mov eax, 234                  tgkill
        0x0f, 0x05,                                           // syscall
        0x48, 0x83, 0xc4, 0x40,                               // add rsp, 64
        0xc3,                                                 // ret
    ];

    /// <summary>Stays as long as the process.</summary>
    private static readonly MappedRegion Handler = Assemble();

    /// <summary>Makes the handler the process's own; before there is a filter of system calls.</summary>
    public static unsafe void Install()
    {
        var action = new sigaction { sa_sigaction = (nint)Handler.Address, sa_flags = LibC.SA_SIGINFO | unchecked((int)LibC.SA_RESETHAND) };
        // SAFETY: the structure lives on this stack during the call; the code is executable and never unmapped.
        if (LibC.sigaction(LibC.SIGABRT, &action, null) != 0) throw LinuxException.Last("handle signal SIGABRT");
    }

    private static MappedRegion Assemble()
    {
        var region = MappedRegion.Anonymous(Bytes);
        region.Write(0, Code);
        var (piece, text) = ((nuint)DataOffset, (nuint)(DataOffset + (2 * PieceBytes)));
        Add("runnervm-vmm: aborted (SIGABRT) on thread \""u8);
        Add("\": its runtime or C library found itself broken; what it had to say stands above. This is a bug: report these lines.\n"u8);
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
