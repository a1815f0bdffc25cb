using System.Runtime.InteropServices;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Boot;

/// <summary>A kernel or initrd on the host, read straight into the guest's memory. Faults name the API's field and the file.</summary>
internal sealed class BootFile : IDisposable
{
    private readonly string _field;
    private readonly FileDescriptor _file;

    /// <param name="field">As the API calls it: <c>kernel_image_path</c>.</param>
    public BootFile(string field, string path)
    {
        (_field, Path) = (field, path);
        try
        {
            // Not blocking: opening a named pipe would wait for somebody to write to it.
            _file = FileDescriptor.Open(path, LibC.O_RDONLY | LibC.O_NONBLOCK);
        }
        catch (LinuxException e)
        {
            throw new VmmFaultException($"{field}: {e.Message} Name a file that this process can read.", e);
        }

        try
        {
            Length = _file.SeekEnd();
            // A directory ends at the largest number there is.
            if (Length is < 0 or long.MaxValue) throw Fault("is not a file", "Name a regular file.");
            if (Length == 0) throw Fault("is empty", "Name the file itself.");
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    public string Path { get; }

    /// <summary>In bytes.</summary>
    public long Length { get; }

    public VmmFaultException Fault(string problem, string fix) => new($"{_field}: {Path} {problem}. {fix}");

    /// <exception cref="VmmFaultException">The file ends before, or cannot be read.</exception>
    public T Read<T>(long offset)
        where T : unmanaged
    {
        T value = default;
        Read(offset, MemoryMarshal.AsBytes(new Span<T>(ref value)));
        return value;
    }

    public void Read(long offset, Span<byte> into)
    {
        CheckRange(offset, into.Length);
        while (!into.IsEmpty)
        {
            var count = Checked(_file.ReadAt(offset, into));
            offset += count;
            into = into[count..];
        }
    }

    /// <summary>Copies a part of the file to <paramref name="address"/>, which the caller has checked to be the guest's.</summary>
    public void Load(long offset, long length, GuestMemory memory, GuestAddress address)
    {
        CheckRange(offset, length);
        var buffers = new GuestBuffers(1);
        while (length > 0)
        {
            buffers.Clear();
            // preadv moves at most 2 GiB at a time.
            buffers.TryAdd(memory, address, (uint)Math.Min(length, 1 << 30));
            var count = Checked(buffers.ReadFrom(_file, offset));
            (offset, length, address) = (offset + count, length - count, address + (ulong)count);
        }
    }

    public void Dispose() => _file.Dispose();

    private void CheckRange(long offset, long length)
    {
        if (offset < 0 || length < 0 || offset > Length || length > Length - offset)
            throw Fault($"is cut off: it has {Length} bytes and says that {length} follow at {offset}", "Copy it again.");
    }

    private int Checked(long result) => result switch
    {
        > 0 => (int)result,
        0 => throw Fault("became shorter while it was read", "Leave it alone while a machine starts."),
        _ => throw Fault($"cannot be read ({LibC.ErrnoName((int)-result)})", "Name a regular file that this process can read."),
    };
}
