using System.Text;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>
/// System calls for a forked process to make one after the other, without any code of ours: a copy of this program with one thread of
/// many could run none. The list and what it points to lie in memory both share, so the process may wait in one call while those
/// behind it are written.
/// </summary>
internal sealed unsafe class SyscallScript
{
    private const int Bytes = 256 * 1024;
    private const int EntryBytes = 5 * 8;
    private const int EntriesAt = 8;
    private const int ZeroesAt = EntriesAt + (32 * EntryBytes);
    private const int ScratchAt = ZeroesAt + 64;
    private const int StringsAt = ScratchAt + 64;
    private const ulong CLONE_INTO_CGROUP = 0x2_0000_0000;
    private const int SIGCHLD = 17;
    private const int SIG_SETMASK = 2;

    /// <summary>
    /// long clone(clone_args* rdi, size rsi, list rdx): clone3, and in the child entry after entry, each number and four arguments; the
    /// first that fails leaves its result at the list's beginning and ends the process with status 127. It needs no stack.
    /// </summary>
    private static ReadOnlySpan<byte> Code =>
    [
        0xb8, 0xb3, 0x01, 0x00, 0x00, // mov eax, 435 (clone3)
        0x0f, 0x05, // syscall
        0x48, 0x85, 0xc0, 0x74, 0x01, // test rax, rax; je child
        0xc3, // ret
        0x49, 0x89, 0xd5, // child: mov r13, rdx
        0x4c, 0x8d, 0x62, 0x08, // lea r12, [rdx + 8]
        0x49, 0x8b, 0x04, 0x24, // next: mov rax, [r12]
        0x49, 0x8b, 0x7c, 0x24, 0x08, // mov rdi, [r12 + 8]
        0x49, 0x8b, 0x74, 0x24, 0x10, // mov rsi, [r12 + 16]
        0x49, 0x8b, 0x54, 0x24, 0x18, // mov rdx, [r12 + 24]
        0x4d, 0x8b, 0x54, 0x24, 0x20, // mov r10, [r12 + 32]
        0x0f, 0x05, // syscall
        0x48, 0x85, 0xc0, 0x78, 0x06, // test rax, rax; js failed
        0x49, 0x83, 0xc4, 0x28, 0xeb, 0xdb, // add r12, 40; jmp next
        0x49, 0x89, 0x45, 0x00, // failed: mov [r13], rax
        0xbf, 0x7f, 0x00, 0x00, 0x00, // mov edi, 127
        0xb8, 0xe7, 0x00, 0x00, 0x00, // mov eax, 231 (exit_group)
        0x0f, 0x05, 0xf4, // syscall; hlt
    ];

    private readonly byte* _shared;
    private readonly byte* _code;
    private int _entry = EntriesAt, _string = StringsAt;
    private (int Entry, int String) _mark;

    private SyscallScript(byte* shared, byte* code)
    {
        _shared = shared;
        _code = code;
    }

    /// <summary>The list or its strings are longer than there is room.</summary>
    public bool IsFull { get; private set; }

    public long Zeroes => (long)(_shared + ZeroesAt);

    /// <summary>A few bytes for a call to write to.</summary>
    public long Scratch => (long)(_shared + ScratchAt);

    /// <summary>The error number of the call that failed, or 0.</summary>
    public int Failure => (int)-*(long*)_shared;

    /// <summary>Both mappings live as long as the process: one script is all there ever is.</summary>
    public static SyscallScript? TryCreate()
    {
        const int readWrite = Libc.PROT_READ | Libc.PROT_WRITE;
        var shared = Libc.mmap(null, Bytes, readWrite, Libc.MAP_SHARED | Libc.MAP_ANONYMOUS, -1, 0);
        var code = Libc.mmap(null, (nuint)Environment.SystemPageSize, readWrite, Libc.MAP_PRIVATE | Libc.MAP_ANONYMOUS, -1, 0);
        if (shared == Libc.MAP_FAILED || code == Libc.MAP_FAILED) return null;
        // SAFETY: the page is fresh and larger than the code; it is never written to again.
        Code.CopyTo(new Span<byte>(code, Environment.SystemPageSize));
        return Libc.mprotect(code, (nuint)Environment.SystemPageSize, Libc.PROT_READ | Libc.PROT_EXEC) == 0 ? new((byte*)shared, (byte*)code) : null;
    }

    public void Add(long number, long a = 0, long b = 0, long c = 0, long d = 0)
    {
        if (_entry + EntryBytes > ZeroesAt)
        {
            IsFull = true;
            return;
        }

        // SAFETY: bounded above; the process reads an entry only after it was let past the one before.
        var entry = (long*)(_shared + _entry);
        (entry[0], entry[1], entry[2], entry[3], entry[4]) = (number, a, b, c, d);
        _entry += EntryBytes;
    }

    /// <summary>Where <see cref="Rewind"/> goes back to.</summary>
    public void Mark() => _mark = (_entry, _string);

    public void Rewind() => (_entry, _string) = _mark;

    /// <returns>Address of a C string.</returns>
    public long String(string text)
    {
        var length = Encoding.UTF8.GetByteCount(text) + 1;
        if (_string + length > Bytes)
        {
            IsFull = true;
            return 0;
        }

        // SAFETY: bounded above.
        var at = _shared + _string;
        Encoding.UTF8.GetBytes(text, new Span<byte>(at, length));
        at[length - 1] = 0;
        _string += length;
        return (long)at;
    }

    /// <returns>Address of a null-terminated array of C strings.</returns>
    public long Strings(string[] texts)
    {
        _string = (_string + 7) & ~7;
        var table = _string;
        _string += (texts.Length + 1) * 8;
        if (_string > Bytes)
        {
            IsFull = true;
            return 0;
        }

        // SAFETY: bounded above.
        var pointers = (long*)(_shared + table);
        for (var i = 0; i < texts.Length; i++) pointers[i] = String(texts[i]);
        pointers[texts.Length] = 0;
        return (long)pointers;
    }

    /// <param name="cgroup">Descriptor of the cgroup's folder, or -1.</param>
    /// <returns>The number of the process that now works through the list.</returns>
    /// <exception cref="CannotStartException">The kernel refused.</exception>
    public int Fork(int cgroup)
    {
        Libc.CloneArguments arguments = new() { exit_signal = SIGCHLD };
        if (cgroup >= 0) (arguments.flags, arguments.cgroup) = (CLONE_INTO_CGROUP, (ulong)cgroup);
        // A handler of ours must not run in the child. The mask is inherited; the script clears it before it becomes another program.
        Libc.SignalSet all, before;
        new Span<byte>(&all, sizeof(Libc.SignalSet)).Fill(0xff);
        _ = Libc.pthread_sigmask(SIG_SETMASK, &all, &before);
        // SAFETY: the code is as described above it; in this process it only makes one system call and returns.
        var clone = (delegate* unmanaged<Libc.CloneArguments*, nuint, byte*, long>)_code;
        var pid = clone(&arguments, (nuint)sizeof(Libc.CloneArguments), _shared);
        _ = Libc.pthread_sigmask(SIG_SETMASK, &before, null);
        return pid > 0 ? (int)pid : throw new CannotStartException($"Cannot fork: {LinuxException.Describe((int)-pid)}.");
    }
}
