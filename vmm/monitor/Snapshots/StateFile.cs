using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Monitor.Snapshots;

/// <summary>
/// The file of a machine's state: magic, version, length of all of it, checksum over all of it, then the records. What is torn,
/// cut off or changed anywhere is noticed before anything in it is looked at.
/// </summary>
internal static class StateFile
{
    /// <summary>Of the layout as a whole; records have versions of their own.</summary>
    public const uint Version = 1;

    /// <summary>A vCPU is 10 KiB, a device 300 bytes.</summary>
    public const int MostBytes = 16 << 20;

    private const int HeaderBytes = 24;
    private const int ChecksumOffset = 20;

    private static ReadOnlySpan<byte> Magic => "RVMSTATE"u8;

    /// <summary>The whole file for these records.</summary>
    public static byte[] Seal(ReadOnlySpan<byte> records)
    {
        var file = new byte[HeaderBytes + records.Length];
        Magic.CopyTo(file);
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(8), Version);
        BinaryPrimitives.WriteInt64LittleEndian(file.AsSpan(12), file.Length);
        records.CopyTo(file.AsSpan(HeaderBytes));
        BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(ChecksumOffset), Checksum(file));
        return file;
    }

    /// <returns>The records.</returns>
    /// <exception cref="BadStateException">It is not whole, not ours, or of another version.</exception>
    public static ReadOnlySpan<byte> Open(ReadOnlySpan<byte> file)
    {
        if (!file.StartsWith(Magic)) throw new BadStateException("is no state file of this monitor. Name a file that PUT /snapshot/create wrote.");
        if (file.Length < HeaderBytes) throw BadStateException.Damaged("it is cut off");
        var version = BinaryPrimitives.ReadUInt32LittleEndian(file[8..]);
        var length = BinaryPrimitives.ReadInt64LittleEndian(file[12..]);
        if (length != file.Length) throw BadStateException.Damaged($"it has {file.Length} bytes and says {length}");
        if (BinaryPrimitives.ReadUInt32LittleEndian(file[ChecksumOffset..]) != Checksum(file)) throw BadStateException.Damaged("its checksum is another");
        if (version != Version)
            throw new BadStateException($"is of version {version}, and this monitor knows {Version}. Load it with the monitor that wrote it, or take it again.");
        return file[HeaderBytes..];
    }

    /// <summary>At most <see cref="MostBytes"/>; a pipe or a device is not waited for.</summary>
    /// <exception cref="BadStateException">No file, or too long for one of ours.</exception>
    /// <exception cref="LinuxException">It cannot be read.</exception>
    public static byte[] Read(string path)
    {
        using var file = FileDescriptor.Open(path, LibC.O_RDONLY | LibC.O_NONBLOCK, static errno => errno switch
        {
            LibC.ENOENT => "Check the path; in a jail it is a path inside it.",
            LibC.EACCES => "Let the user of this process read it.",
            _ => null,
        });
        if (file.Kind() != FileKind.Regular) throw new BadStateException("is not a file. Name one that PUT /snapshot/create wrote.");
        var length = file.Length();
        if (length > MostBytes) throw new BadStateException($"has {length} bytes, more than any state has. Name the state file, not the memory file.");
        var bytes = new byte[length];
        for (var read = 0; read < bytes.Length;)
        {
            var count = file.ReadAt(read, bytes.AsSpan(read));
            if (count == -LibC.EINTR) continue;
            if (count < 0) throw new LinuxException($"read {path}", (int)-count);
            if (count == 0) throw BadStateException.Damaged("it became shorter while it was read");
            read += (int)count;
        }

        return bytes;
    }

    /// <summary>CRC-32C of the file without the checksum itself; by the processor's instruction, eight bytes at a time.</summary>
    private static uint Checksum(ReadOnlySpan<byte> file) => Add(Add(uint.MaxValue, file[..ChecksumOffset]), file[HeaderBytes..]);

    private static uint Add(uint checksum, ReadOnlySpan<byte> bytes)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (var word in words) checksum = BitOperations.Crc32C(checksum, word);
        foreach (var rest in bytes[(words.Length * sizeof(ulong))..]) checksum = BitOperations.Crc32C(checksum, rest);
        return checksum;
    }
}
