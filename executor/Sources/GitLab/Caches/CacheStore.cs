using RunnerVm.Store;
using ZstdSharp;

namespace RunnerVm.Sources.GitLab.Caches;

/// <summary>
/// Caches on this host: one file a key, a tar stream compressed by zstd, as the strict reader let it through. A file is
/// there whole or not at all, readers keep what they have open, and the least recently used go when all together are
/// larger than the bound. Any number of processes may share the folder.
/// </summary>
/// <param name="root">Holds caches and nothing else.</param>
/// <param name="mostBytes">Of all scopes together.</param>
internal sealed class CacheStore(string root, long mostBytes, TimeProvider time)
{
    public const long DefaultMostBytes = 20L << 30;

    private const string Extension = ".tar.zst";
    private const string Unfinished = ".partial";
    private const int Level = 3;

    /// <summary>Nobody writes that long; its writer was killed.</summary>
    private static readonly TimeSpan Abandoned = TimeSpan.FromHours(24);

    public static CacheStore In(DataDirectory data, TimeProvider time) => new(Path.Join(data.Root, "caches", "gitlab"), DefaultMostBytes, time);

    /// <summary>What a cache may hold before it is compressed, so that the disk is not filled.</summary>
    public long RoomFor(long most) => HostRoom.Bytes(Directory.CreateDirectory(root).FullName, most);

    /// <summary>A cache's tar stream, or null when there is none. The caller closes it.</summary>
    public Stream? Open(CacheScope scope, string cleanKey)
    {
        var path = PathOf(scope, cleanKey);
        try
        {
            var file = new FileStream(path, new FileStreamOptions { Access = FileAccess.Read, Share = FileShare.ReadWrite | FileShare.Delete, Options = FileOptions.Asynchronous });
            // The time of the last use decides what goes first.
            File.SetLastWriteTimeUtc(path, time.GetUtcNow().UtcDateTime);
            return new DecompressionStream(file, leaveOpen: false);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Stores what <paramref name="write"/> produces; nothing is changed when it throws or says that there is nothing to keep.</summary>
    /// <param name="write">Writes the tar stream; false: do not keep it.</param>
    /// <returns>The file's size, or null when it was not kept.</returns>
    public async Task<long?> SaveAsync(CacheScope scope, string cleanKey, Func<Stream, Task<bool>> write)
    {
        var path = PathOf(scope, cleanKey);
        var folder = Path.GetDirectoryName(path)!;
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var partial = Path.Join(folder, $"{Path.GetFileName(path)}.{Guid.NewGuid():n}{Unfinished}");
        try
        {
            await using (var file = new FileStream(partial, FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 0, useAsync: true))
            await using (var compressed = new CompressionStream(file, Level, leaveOpen: true))
                if (!await write(compressed)) return null;
            var size = new FileInfo(partial).Length;
            if (size > mostBytes) return null;
            File.Move(partial, path, overwrite: true);
            Shrink(keep: path);
            return size;
        }
        finally
        {
            File.Delete(partial);
        }
    }

    /// <summary>Removes the least recently used until the rest is within the bound, and what killed writers left.</summary>
    private void Shrink(string keep)
    {
        var files = new DirectoryInfo(root).GetFiles("*", SearchOption.AllDirectories);
        var old = time.GetUtcNow().UtcDateTime - Abandoned;
        foreach (var file in files.Where(f => f.Name.EndsWith(Unfinished, StringComparison.Ordinal) && f.LastWriteTimeUtc < old)) file.Delete();

        var caches = files.Where(static f => f.Name.EndsWith(Extension, StringComparison.Ordinal)).OrderBy(static f => f.LastWriteTimeUtc).ToList();
        var total = caches.Sum(static f => f.Length);
        foreach (var file in caches.TakeWhile(_ => total > mostBytes))
        {
            if (file.FullName == keep) continue;
            total -= file.Length;
            file.Delete();
        }
    }

    private string PathOf(CacheScope scope, string cleanKey) => Path.GetFullPath(Path.Join(root, scope.Folder, CacheKey.FileName(cleanKey) + Extension));
}
