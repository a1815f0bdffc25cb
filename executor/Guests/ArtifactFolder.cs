using System.Buffers;
using RunnerVm.GuestProtocol;

namespace RunnerVm.Guests;

/// <summary>
/// Unpacks a hostile guest's tar stream into a new folder of the host. Nothing it contains can reach outside: names are
/// checked part by part, links are made last and only when they stay inside, files are only ever created. Bytes and
/// entries are bounded. Whatever fails, the half-written folder is removed.
/// </summary>
internal sealed class ArtifactFolder(string path, ArtifactFolder.Bounds bounds)
{
    private const int CopySize = 128 * 1024;

    /// <summary>What a folder, and the last piece of a file, cost on the host's disk.</summary>
    private const int BlockBytes = 4096;

    /// <summary>Names and targets of links are kept until the end: characters of them, all together.</summary>
    private const int MaxLinkText = 32 << 20;

    private readonly List<(string Path, string Target)> _links = [];
    private string _lastParent = "";
    private long _bytes;
    private long _diskBytes;
    private int _entries;
    private int _unnamedFolders;
    private int _linkText;

    /// <param name="Bytes">Most bytes on the disk: content in whole blocks, one block for each folder.</param>
    /// <param name="Entries">Most files, folders (named or not) and links.</param>
    internal sealed record Bounds(long Bytes, int Entries);

    /// <summary>What has been unpacked.</summary>
    /// <param name="LinksLeftOut">Symbolic links whose target lies outside the folder.</param>
    internal sealed record Contents(int Entries, long Bytes, int LinksLeftOut);

    /// <summary>Where the artifacts for a folder are while they are not complete.</summary>
    public static string Unfinished(string path) => Path.Join(Path.GetDirectoryName(path), $".{Path.GetFileName(path)}.runnervm-partial");

    /// <summary>Reads to the archive's end; <paramref name="path"/> exists afterwards, or not at all when this throws.</summary>
    /// <param name="onBytes">Called with the bytes of content so far.</param>
    /// <exception cref="ProtocolException">The archive is not what the agent writes, or exceeds the bounds.</exception>
    /// <exception cref="IOException">The host could not write.</exception>
    public async Task<Contents> UnpackAsync(Stream tar, Action<long> onBytes, CancellationToken cancellationToken)
    {
        if (Path.Exists(path)) throw new IOException($"Cannot write artifacts into {path}: it exists already.");
        var partial = Unfinished(path);
        // What a killed runner left of the same folder.
        if (Directory.Exists(partial)) Directory.Delete(partial, recursive: true);
        Directory.CreateDirectory(partial);
        try
        {
            await UnpackIntoAsync(partial, tar, onBytes, cancellationToken);
            var leftOut = MakeLinks(partial);
            Directory.Move(partial, path);
            return new(_entries, _bytes, leftOut);
        }
        catch
        {
            Directory.Delete(partial, recursive: true);
            throw;
        }
    }

    private async Task UnpackIntoAsync(string root, Stream tar, Action<long> onBytes, CancellationToken cancellationToken)
    {
        var archive = new GuestArchive(tar);
        while (await archive.NextAsync(cancellationToken) is { } entry)
        {
            _entries++;
            var target = entry.Name == "." ? root : Path.Join(root, entry.Name);
            switch (entry.Type)
            {
                case '5':
                    CountDisk(0);
                    MakeFolder(root, entry.Name, target, named: true);
                    break;
                case '2':
                    CountDisk(0);
                    KeepLink(target, entry.Target);
                    break;
                default:
                    CountDisk(entry.Size);
                    MakeFolder(root, entry.Name, Path.GetDirectoryName(target)!, named: false);
                    await WriteFileAsync(archive.Content, entry, target, onBytes, cancellationToken);
                    break;
            }
        }
    }

    private async Task WriteFileAsync(Stream content, GuestArchiveEntry entry, string target, Action<long> onBytes, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(CopySize);
        try
        {
            await using var file = Create(entry.Name, () => NewFile(target, entry.Mode));
            for (int read; (read = await content.ReadAsync(buffer, cancellationToken)) > 0;)
            {
                await file.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
                _bytes += read;
                onBytes(_bytes);
            }

            File.SetLastWriteTimeUtc(file.SafeFileHandle, entry.Modified.UtcDateTime);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>
    /// A new file that its owner can always read and write, so that folders can be removed again, and that never gets
    /// set-user-id or sticky bits.
    /// </summary>
    private static FileStream NewFile(string target, UnixFileMode mode)
    {
        return new(target, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            BufferSize = 0,
            UnixCreateMode = mode | UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
    }

    /// <summary>Runs a creation; when it fails because of what the archive itself made before, the archive is to blame.</summary>
    private static T Create<T>(string relative, Func<T> create)
    {
        try
        {
            return create();
        }
        catch (PathTooLongException e)
        {
            throw new ProtocolException($"The guest's archive has the name '{UntrustedText.Line(relative)}', which is too long for this host.", e);
        }
        catch (IOException e) when (IsConflict(e))
        {
            throw new ProtocolException($"The guest's archive has '{UntrustedText.Line(relative)}' twice, or as file and folder.", e);
        }
    }

    /// <summary>
    /// EEXIST (17, which the runtime leaves in HResult) when the name is taken; ENOTDIR comes as DirectoryNotFound, and as
    /// all folders on the way have just been made it says that one of them is a file.
    /// </summary>
    private static bool IsConflict(IOException e) => e.HResult == 17 || e is DirectoryNotFoundException;

    /// <summary>Makes a folder and those above it that no entry has named: each is an entry, or one name of 2,000 parts would be 2,000 folders.</summary>
    private void MakeFolder(string root, string relative, string folder, bool named)
    {
        if (folder.Length <= root.Length || folder == _lastParent) return;
        var missing = 0;
        for (var at = folder; at.Length > root.Length && !Directory.Exists(at); at = Path.GetDirectoryName(at)!) missing++;
        if (missing > 0)
        {
            _unnamedFolders += named ? missing - 1 : missing;
            CountDisk(missing * BlockBytes);
        }

        Create(relative, () => Directory.CreateDirectory(folder));
        _lastParent = folder;
    }

    private void CountDisk(long bytes)
    {
        if (_entries + _unnamedFolders > bounds.Entries) throw new ProtocolException($"The guest's archive has more than {bounds.Entries} entries.");
        _diskBytes += (bytes + BlockBytes - 1) / BlockBytes * BlockBytes;
        if (_diskBytes > bounds.Bytes) throw new ProtocolException($"The guest's archive needs more than {bounds.Bytes} bytes of disk.");
    }

    private void KeepLink(string link, string target)
    {
        _linkText += link.Length + target.Length;
        if (_linkText > MaxLinkText) throw new ProtocolException("The guest's archive has more links than the host keeps in mind.");
        _links.Add((link, target));
    }

    private int MakeLinks(string root)
    {
        var leftOut = 0;
        foreach (var (link, target) in _links)
        {
            if (!StaysInside(root, link, target) || Path.Exists(link))
            {
                leftOut++;
                continue;
            }

            var relative = Path.GetRelativePath(root, link);
            MakeFolder(root, relative, Path.GetDirectoryName(link)!, named: false);
            Create(relative, () => File.CreateSymbolicLink(link, target));
        }

        return leftOut;
    }

    /// <summary>
    /// Lexical check, made sound by order: no folder on the way is a link yet that leads elsewhere, because every link
    /// that exists has passed it too.
    /// </summary>
    private static bool StaysInside(string root, string link, string target)
    {
        if (target.Length == 0 || target[0] == '/' || target.Contains('\0')) return false;
        var depth = Path.GetRelativePath(root, Path.GetDirectoryName(link)!) is var at && at == "." ? 0 : at.Split('/').Length;
        var named = false;
        foreach (var part in target.Split('/'))
        {
            if (part is "" or ".") continue;
            // ".." after a name could climb out of a folder that is itself a link; plain leading ".." cannot.
            if (part == ".." && (named || --depth < 0)) return false;
            named |= part != "..";
        }

        return !PassesThroughLink(root, link);
    }

    private static bool PassesThroughLink(string root, string link)
    {
        for (var folder = Path.GetDirectoryName(link)!; folder.Length > root.Length; folder = Path.GetDirectoryName(folder)!)
            if (new DirectoryInfo(folder).LinkTarget is not null) return true;
        return false;
    }
}
