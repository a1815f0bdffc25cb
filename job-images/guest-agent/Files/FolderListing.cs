using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Files;

/// <summary>The names in a folder, sorted, so that equal trees give equal archives.</summary>
internal static unsafe class FolderListing
{
    private const int NameOffset = 19;

    public static List<string> Read(SafeFileHandle folder)
    {
        List<string> names = [];
        var buffer = new byte[32 * 1024];
        while (true)
        {
            int filled;
            // SAFETY: the kernel writes whole entries into at most the buffer's length.
            fixed (byte* start = buffer)
            {
                filled = (int)Libc.syscall(Libc.SYS_getdents64, folder.DangerousGetHandle(), (nint)start, buffer.Length, 0);
            }

            if (filled <= 0) break;
            Parse(buffer.AsSpan(0, filled), names);
        }

        names.Sort(StringComparer.Ordinal);
        return names;
    }

    /// <summary>struct linux_dirent64: inode (8), offset (8), length of the entry (2), type (1), name and zeros.</summary>
    private static void Parse(ReadOnlySpan<byte> entries, List<string> names)
    {
        while (!entries.IsEmpty)
        {
            var length = BinaryPrimitives.ReadUInt16LittleEndian(entries[16..]);
            var name = entries[NameOffset..length];
            name = name[..name.IndexOf((byte)0)];
            if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8)) names.Add(Encoding.UTF8.GetString(name));
            entries = entries[length..];
        }
    }
}
