using System.Runtime.InteropServices;
using System.Text;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>A null-terminated array of C strings, as argv and envp are. Lives outside the collected heap until disposed.</summary>
internal sealed unsafe class NativeStrings : IDisposable
{
    private byte** _pointers;

    public NativeStrings(IReadOnlyCollection<string> strings)
    {
        var table = (nuint)(strings.Count + 1) * (nuint)sizeof(byte*);
        var size = table;
        foreach (var text in strings) size += (nuint)Encoding.UTF8.GetByteCount(text) + 1;
        // SAFETY: one block: the pointers, then the bytes they point to; size is the sum counted above.
        var block = (byte*)NativeMemory.Alloc(size);
        _pointers = (byte**)block;
        var next = block + table;
        var index = 0;
        foreach (var text in strings)
        {
            _pointers[index++] = next;
            next += Encoding.UTF8.GetBytes(text, new Span<byte>(next, checked((int)(block + size - next))));
            *next++ = 0;
        }

        _pointers[index] = null;
    }

    public byte** Pointers => _pointers;

    public void Dispose()
    {
        NativeMemory.Free(_pointers);
        _pointers = null;
    }
}
