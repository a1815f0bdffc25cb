using System.Formats.Tar;
using System.Text;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Files;

/// <summary>
/// Packs what patterns choose below a folder. Links are packed as links and never followed; sockets, pipes and devices
/// are left out; a file that vanishes is left out, one that changes its size keeps the size it had when it was opened.
/// </summary>
internal sealed unsafe class TarPacker : IDisposable
{
    private const int MaxDepth = 400;
    /// <summary>What eleven octal digits hold.</summary>
    private const long LatestTime = 0x1_ffff_ffff;

    private readonly Glob[] _include;
    private readonly Glob[] _exclude;
    private readonly bool[] _hit;
    private readonly SafeFileHandle _root;
    private readonly TarWriter _writer;

    public TarPacker(string folder, string[] include, string[] exclude, Stream target)
    {
        _include = [.. include.Select(p => new Glob(p))];
        _exclude = [.. exclude.Select(p => new Glob(p))];
        _hit = new bool[include.Length];
        _root = KernelFile.Open(folder, Libc.O_RDONLY | Libc.O_DIRECTORY);
        _writer = new(target, TarEntryFormat.Gnu, leaveOpen: true);
    }

    public long Files { get; private set; }

    public long Bytes { get; private set; }

    /// <summary>Patterns nothing came of.</summary>
    public IEnumerable<string> Unmatched() => _include.Where((_, i) => !_hit[i]).Select(static g => g.Pattern);

    /// <summary>Writes the whole archive, end mark included.</summary>
    public void Pack()
    {
        var state = new Walk([.. _include.Select(static g => g.Start)], [.. _exclude.Select(static g => g.Start)], Included: false);
        for (var i = 0; i < _include.Length; i++)
        {
            if (!_include[i].IsMatch(state.Include[i])) continue;
            _hit[i] = true;
            state = state with { Included = true };
        }

        PackFolder(_root, "", state, depth: 0);
        _writer.Dispose();
    }

    public void Dispose() => _root.Dispose();

    /// <summary>How far each pattern has come on the way down, and whether a folder above was chosen.</summary>
    private sealed record Walk(ulong[] Include, ulong[] Exclude, bool Included);

    private void PackFolder(SafeFileHandle folder, string path, Walk walk, int depth)
    {
        if (depth > MaxDepth) throw new TarRefusedException($"The folders at {path[..60]}... are nested deeper than {MaxDepth}.");
        foreach (var name in FolderListing.Read(folder))
        {
            if (Enter(walk, name) is { } inside) PackEntry(folder, name, path.Length == 0 ? name : $"{path}/{name}", inside, depth);
        }
    }

    /// <returns>Null when nothing at this name or below it is wanted.</returns>
    private Walk? Enter(Walk walk, string name)
    {
        var exclude = new ulong[_exclude.Length];
        for (var i = 0; i < exclude.Length; i++)
        {
            exclude[i] = _exclude[i].Enter(walk.Exclude[i], name);
            if (_exclude[i].IsMatch(exclude[i])) return null;
        }

        var include = new ulong[_include.Length];
        var (included, possible) = (walk.Included, walk.Included);
        for (var i = 0; i < include.Length; i++)
        {
            include[i] = _include[i].Enter(walk.Include[i], name);
            possible |= include[i] != 0;
            if (!_include[i].IsMatch(include[i])) continue;
            _hit[i] = true;
            included = true;
        }

        return possible ? new(include, exclude, included) : null;
    }

    private void PackEntry(SafeFileHandle folder, string name, string path, Walk walk, int depth)
    {
        Libc.StatX status;
        // SAFETY: the call fills the structure on the stack.
        if (Libc.statx((int)folder.DangerousGetHandle(), name, Libc.AT_SYMLINK_NOFOLLOW, Libc.STATX_BASIC_STATS, &status) < 0) return;
        switch (status.stx_mode & Libc.S_IFMT)
        {
            case Libc.S_IFDIR:
                using (var inside = OpenIn(folder, name, Libc.O_DIRECTORY))
                {
                    if (inside.IsInvalid) return;
                    if (walk.Included) Write(TarEntryType.Directory, path + "/", status, null, null);
                    PackFolder(inside, path, walk, depth + 1);
                }

                break;
            case Libc.S_IFLNK when walk.Included && ReadLink(folder, name) is { } target:
                Write(TarEntryType.SymbolicLink, path, status, target, null);
                Files++;
                break;
            case Libc.S_IFREG when walk.Included:
                PackFile(folder, name, path);
                break;
        }
    }

    private void PackFile(SafeFileHandle folder, string name, string path)
    {
        using var file = OpenIn(folder, name, Libc.O_NONBLOCK);
        if (file.IsInvalid) return;
        Libc.StatX status;
        // SAFETY: as above. The file just opened counts, not the one whose name was looked at before.
        if (Libc.statx((int)file.DangerousGetHandle(), "", Libc.AT_EMPTY_PATH, Libc.STATX_BASIC_STATS, &status) < 0) return;
        if ((status.stx_mode & Libc.S_IFMT) != Libc.S_IFREG) return;
        using var content = new ExactFile(file, (long)status.stx_size);
        Write(TarEntryType.RegularFile, path, status, null, content);
        Files++;
        Bytes += content.Length;
    }

    /// <summary>GNU's form, because the host reads nothing else: long names as L and K records, no pax headers.</summary>
    private void Write(TarEntryType type, string path, in Libc.StatX status, string? link, ExactFile? content)
    {
        var entry = new GnuTarEntry(type, path)
        {
            Mode = (UnixFileMode)(status.stx_mode & 0b111_111_111_111),
            ModificationTime = DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(status.stx_mtime_sec, 0, LatestTime)),
        };
        if (link is not null) entry.LinkName = link;
        if (content is not null) entry.DataStream = content;
        _writer.WriteEntry(entry);
    }

    private static SafeFileHandle OpenIn(SafeFileHandle folder, string name, int flags) =>
        new(Libc.openat((int)folder.DangerousGetHandle(), name, Libc.O_RDONLY | Libc.O_NOFOLLOW | Libc.O_CLOEXEC | flags, 0), ownsHandle: true);

    private static string? ReadLink(SafeFileHandle folder, string name)
    {
        const int longest = 4096;
        var buffer = stackalloc byte[longest];
        // SAFETY: at most the buffer's length is written; no end mark is.
        var length = Libc.readlinkat((int)folder.DangerousGetHandle(), name, buffer, longest);
        return length <= 0 ? null : Encoding.UTF8.GetString(buffer, (int)length);
    }
}
