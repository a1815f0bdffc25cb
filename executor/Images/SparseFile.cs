using System.IO.Hashing;
using Microsoft.Win32.SafeHandles;
using Tmds.Linux;

namespace RunnerVm.Images;

/// <summary>Files that are mostly holes: disks and memories of machines. Holes cost neither time nor room here.</summary>
internal static class SparseFile
{
    private const int ChunkBytes = 256 * 1024;

    // From <unistd.h>; Tmds.LibC does not have them.
    private const int SEEK_DATA = 3;
    private const int SEEK_HOLE = 4;

    /// <summary>Copies all of a file but its holes into an empty one.</summary>
    public static void Copy(string from, SafeFileHandle to)
    {
        using var source = File.OpenHandle(from);
        var length = RandomAccess.GetLength(source);
        RandomAccess.SetLength(to, length);
        var buffer = new byte[ChunkBytes];
        for (var (start, end) = NextData(source, 0); start < length; (start, end) = NextData(source, end))
        {
            for (int read; start < end; start += read)
            {
                read = RandomAccess.Read(source, buffer.AsSpan(0, (int)Math.Min(buffer.Length, end - start)), start);
                if (read == 0) throw new EndOfStreamException($"{from} became shorter while it was copied.");
                RandomAccess.Write(to, buffer.AsSpan(0, read), start);
            }
        }
    }

    /// <summary>Makes a file of the other's length at once, and copies all but its holes behind that.</summary>
    /// <param name="path">A file that does not exist yet.</param>
    public static Task BeginCopy(string from, string path)
    {
        var to = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        RandomAccess.SetLength(to, new FileInfo(from).Length);
        return Task.Run(() =>
        {
            using (to) Copy(from, to);
        });
    }

    /// <summary>
    /// A digest of length and content, against accidents, not forgery. It is the same whether zeroes are written or holes.
    /// </summary>
    public static string Digest(string path)
    {
        using var source = File.OpenHandle(path);
        var hash = new XxHash128();
        foreach (var (at, bytes) in Chunks(source))
        {
            if (bytes.Span.IndexOfAnyExcept((byte)0) < 0) continue;
            hash.Append(BitConverter.GetBytes(at));
            hash.Append(bytes.Span);
        }

        hash.Append(BitConverter.GetBytes(RandomAccess.GetLength(source)));
        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    /// <summary>What of a file is not in holes.</summary>
    public static long AllocatedBytes(string path)
    {
        using var file = File.OpenHandle(path);
        var (length, allocated) = (RandomAccess.GetLength(file), 0L);
        for (var (start, end) = NextData(file, 0); start < length; (start, end) = NextData(file, end)) allocated += end - start;
        return allocated;
    }

    /// <summary>What is not in holes, cut at multiples of the chunk's size. Each piece is valid until the next.</summary>
    private static IEnumerable<(long At, ReadOnlyMemory<byte> Bytes)> Chunks(SafeFileHandle file)
    {
        var length = RandomAccess.GetLength(file);
        var buffer = new byte[ChunkBytes];
        for (var (start, end) = NextData(file, 0); start < length; (start, end) = NextData(file, end))
        {
            // From the chunk's beginning to its end, whatever part of it is a hole.
            end = Math.Min((end + ChunkBytes - 1) / ChunkBytes * ChunkBytes, length);
            for (var at = start / ChunkBytes * ChunkBytes; at < end; at += ChunkBytes)
            {
                var wanted = buffer.AsMemory(0, (int)Math.Min(ChunkBytes, end - at));
                var filled = 0;
                for (int read; filled < wanted.Length && (read = RandomAccess.Read(file, wanted.Span[filled..], at + filled)) > 0;) filled += read;
                yield return (at, wanted[..filled]);
            }
        }
    }

    /// <summary>The next stretch that is no hole (lseek(2), SEEK_DATA and SEEK_HOLE); past the end where there is none.</summary>
    private static (long Start, long End) NextData(SafeFileHandle file, long from)
    {
        var descriptor = file.DangerousGetHandle().ToInt32();
        var start = (long)LibC.lseek(descriptor, from, SEEK_DATA);
        // ENXIO: nothing but a hole follows.
        if (start < 0) return (long.MaxValue, long.MaxValue);
        return (start, (long)LibC.lseek(descriptor, start, SEEK_HOLE));
    }
}
