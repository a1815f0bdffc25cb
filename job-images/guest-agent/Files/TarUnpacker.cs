using System.Formats.Tar;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Files;

/// <summary>
/// Unpacks a tar stream below a folder: modes, times, symbolic and hard links are kept, owners are not (root owns all),
/// devices and pipes are left out. An existing file is replaced, never written through. A few system calls a file.
/// </summary>
internal sealed unsafe class TarUnpacker(string folder) : IDisposable
{
    private const int AllModeBits = 0b111_111_111_111;

    private readonly FolderTree _tree = new(folder);
    private readonly byte[] _buffer = new byte[64 * 1024];

    /// <summary>A folder's time changes with every file in it, so these are set last.</summary>
    private readonly List<(string Path, DateTimeOffset Time)> _folderTimes = [];

    public long Files { get; private set; }

    public long Bytes { get; private set; }

    public void Unpack(Stream archive)
    {
        using var reader = new TarReader(archive, leaveOpen: true);
        while (reader.GetNextEntry() is { } entry)
        {
            switch (entry.EntryType)
            {
                case TarEntryType.Directory:
                    MakeFolder(entry);
                    break;
                case TarEntryType.RegularFile or TarEntryType.V7RegularFile or TarEntryType.ContiguousFile:
                    WriteFile(entry);
                    break;
                case TarEntryType.SymbolicLink:
                    var (folder, name) = Place(entry.Name);
                    Retry(name, folder, () => Libc.symlinkat(entry.LinkName, folder, name));
                    Files++;
                    break;
                case TarEntryType.HardLink:
                    Link(entry);
                    break;
            }
        }

        foreach (var (path, time) in Enumerable.Reverse(_folderTimes))
        {
            var times = Times(time);
            var (parent, name) = Place(path);
            // SAFETY: two structures in a row, of access and of modification.
            fixed (Libc.TimeSpec* start = times) _ = Libc.utimensat(parent, name, start, Libc.AT_SYMLINK_NOFOLLOW);
        }
    }

    public void Dispose() => _tree.Dispose();

    private void WriteFile(TarEntry entry)
    {
        var (folder, name) = Place(entry.Name);
        var mode = (int)entry.Mode & AllModeBits;
        using var file = Create(folder, name, mode);
        if (entry.DataStream is { } data)
        {
            for (var count = data.Read(_buffer); count > 0; count = data.Read(_buffer)) WriteAll(file, _buffer.AsSpan(0, count), entry.Name);
        }

        // The rest is what the file creation mask took away.
        if ((mode & ~0b111_101_101) != 0) _ = Libc.fchmod(file, mode);
        var times = Times(entry.ModificationTime);
        // SAFETY: two structures in a row.
        fixed (Libc.TimeSpec* start = times) _ = Libc.futimens(file, start);
        Files++;
    }

    private static SafeFileHandle Create(int folder, string name, int mode)
    {
        const int flags = Libc.O_WRONLY | Libc.O_CREAT | Libc.O_EXCL | Libc.O_NOFOLLOW | Libc.O_CLOEXEC;
        var fd = Libc.openat(folder, name, flags, mode);
        if (fd < 0 && Libc.Errno == Libc.EEXIST)
        {
            RemoveExisting(folder, name);
            fd = Libc.openat(folder, name, flags, mode);
        }

        LinuxException.ThrowIfNegative(fd, $"Cannot create {name}");
        return new(fd, ownsHandle: true);
    }

    private void WriteAll(SafeFileHandle file, ReadOnlySpan<byte> bytes, string name)
    {
        Bytes += bytes.Length;
        while (!bytes.IsEmpty)
        {
            nint count;
            // SAFETY: the span is pinned for the length of the call.
            fixed (byte* start = bytes) count = Libc.write(file, start, (nuint)bytes.Length);
            LinuxException.ThrowIfNegative(count, $"Cannot write {name}");
            bytes = bytes[(int)count..];
        }
    }

    private void MakeFolder(TarEntry entry)
    {
        var path = Clean(entry.Name);
        if (path.Length == 0) return;
        var (parent, name) = Place(entry.Name);
        var mode = (int)entry.Mode & AllModeBits;
        if (Libc.mkdirat(parent, name, mode) < 0)
        {
            if (Libc.Errno != Libc.EEXIST) throw new LinuxException($"Cannot create the folder {path}", Libc.Errno);
            // There already: a folder, or a link to one, stays; anything else makes room.
            if (Libc.unlinkat(parent, name, 0) == 0) LinuxException.ThrowIfNegative(Libc.mkdirat(parent, name, mode), $"Cannot create the folder {path}");
        }

        if ((mode & ~0b111_101_101) != 0)
        {
            using var made = new SafeFileHandle(Libc.openat(parent, name, Libc.O_RDONLY | Libc.O_DIRECTORY | Libc.O_NOFOLLOW | Libc.O_CLOEXEC, 0), ownsHandle: true);
            if (!made.IsInvalid) _ = Libc.fchmod(made, mode);
        }

        _folderTimes.Add((path, entry.ModificationTime));
    }

    /// <summary>Links to a file of this archive, named from the archive's top.</summary>
    private void Link(TarEntry entry)
    {
        var (sourceFolder, sourceName) = Place(entry.LinkName);
        using var source = new SafeFileHandle(
            Libc.openat(sourceFolder, sourceName, Libc.O_PATH | Libc.O_NOFOLLOW | Libc.O_CLOEXEC, 0), ownsHandle: true);
        if (source.IsInvalid) throw new LinuxException($"Cannot link {entry.Name} to {entry.LinkName}", Libc.Errno);
        var (folder, name) = Place(entry.Name);
        Retry(name, folder, () => Libc.linkat((int)source.DangerousGetHandle(), "", folder, name, Libc.AT_EMPTY_PATH));
        Files++;
    }

    private static void Retry(string name, int folder, Func<int> make)
    {
        if (make() == 0) return;
        if (Libc.Errno == Libc.EEXIST)
        {
            RemoveExisting(folder, name);
            if (make() == 0) return;
        }

        throw new LinuxException($"Cannot create the link {name}", Libc.Errno);
    }

    private static void RemoveExisting(int folder, string name)
    {
        if (Libc.unlinkat(folder, name, 0) == 0) return;
        LinuxException.ThrowIfNegative(Libc.unlinkat(folder, name, Libc.AT_REMOVEDIR), $"Cannot replace {name}");
    }

    /// <returns>The folder an entry goes to and its name in there. The descriptor is valid until the next call.</returns>
    private (int Folder, string Name) Place(string entryName)
    {
        var path = Clean(entryName);
        var slash = path.LastIndexOf('/');
        if (path.Length == 0) throw new TarRefusedException($"The archive has an entry without a name (\"{entryName}\").");
        return (_tree.Open(slash < 0 ? "" : path[..slash]), path[(slash + 1)..]);
    }

    /// <summary>Most names are clean already; those are returned as they are.</summary>
    internal static string Clean(string name)
    {
        if (name.StartsWith('/')) throw Outside(name);
        var trimmed = name.TrimEnd('/');
        if (trimmed.Length > 0 && trimmed[0] != '.' && !trimmed.Contains("/.", StringComparison.Ordinal) && !trimmed.Contains("//", StringComparison.Ordinal)) return trimmed;
        var parts = trimmed.Split('/').Where(static p => p is not ("" or ".")).ToArray();
        return parts.Contains("..") ? throw Outside(name) : string.Join('/', parts);
    }

    private static TarRefusedException Outside(string name) => new($"The archive names {name}, which is outside the folder it is unpacked into.");

    private static Libc.TimeSpec[] Times(DateTimeOffset time)
    {
        var ticks = time.UtcTicks - DateTimeOffset.UnixEpoch.Ticks;
        var seconds = Math.DivRem(ticks, TimeSpan.TicksPerSecond, out var rest);
        if (rest < 0) (seconds, rest) = (seconds - 1, rest + TimeSpan.TicksPerSecond);
        return [new() { tv_nsec = Libc.UTIME_OMIT }, new() { tv_sec = seconds, tv_nsec = rest * 100 }];
    }
}
