namespace RunnerVm.Images;

/// <summary>
/// The right to build one thing, and a clean folder to build it in. At most one process holds the site of a name;
/// others wait. What a killed builder left in the folder is removed by whoever comes next, so nothing half-built is kept.
/// </summary>
internal sealed class BuildSite : IAsyncDisposable
{
    private const string FolderPrefix = ".building-";
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(100);
    private readonly FileStream _lock;

    private BuildSite(FileStream heldLock, string folder)
    {
        _lock = heldLock;
        Folder = folder;
    }

    /// <summary>Empty at the start, on the same file system as the store, removed by disposal. Finished files are renamed out of it.</summary>
    public string Folder { get; }

    /// <summary>True when another builder held the site first; the thing may be there now.</summary>
    public bool Waited { get; private init; }

    /// <param name="store">The folder the finished thing will lie in.</param>
    /// <param name="name">Safe in a file name.</param>
    /// <param name="waiting">Called once if another process has the site.</param>
    /// <param name="time">For the wait.</param>
    public static async Task<BuildSite> EnterAsync(
        string store, string name, Action waiting, TimeProvider time, CancellationToken cancellationToken)
    {
        var folder = Path.Combine(store, FolderPrefix + name);
        var held = TryLock(store, name);
        var waited = held is null;
        if (held is null)
        {
            waiting();
            // The lock is advisory (flock) and its holder may be any process: there is no event to wait for.
            using var poll = new PeriodicTimer(PollInterval, time);
            while ((held = TryLock(store, name)) is null) await poll.WaitForNextTickAsync(cancellationToken);
        }

        try
        {
            await RemoveAsync(folder, cancellationToken);
            Directory.CreateDirectory(folder);
            return new(held, folder) { Waited = waited };
        }
        catch
        {
            await held.DisposeAsync();
            throw;
        }
    }

    /// <summary>Removes the folders of builders that died. Costs one directory listing when there are none.</summary>
    public static async Task SweepAsync(string store, CancellationToken cancellationToken)
    {
        foreach (var folder in Directory.GetDirectories(store, FolderPrefix + "*"))
        {
            await using var held = TryLock(store, Path.GetFileName(folder)[FolderPrefix.Length..]);
            if (held is not null) await RemoveAsync(folder, cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await RemoveAsync(Folder, CancellationToken.None);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or UserException)
        {
            // The next holder, or the sweep, tries again; the build's own result or error matters more now.
        }

        await _lock.DisposeAsync();
    }

    // The lock file stays: removing it would let a third process lock a new file while a second waits on the old one.
    private static FileStream? TryLock(string store, string name)
    {
        try
        {
            return new(Path.Combine(store, ".lock-" + name), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (e is not (DirectoryNotFoundException or FileNotFoundException or PathTooLongException))
        {
            return null;
        }
    }

    private static async Task RemoveAsync(string folder, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(folder)) return;
        try
        {
            Directory.Delete(folder, recursive: true);
        }
        catch (UnauthorizedAccessException) when (!Environment.IsPrivilegedProcess)
        {
            // A root file system unpacked without root belongs to our subordinate user ids.
            await Tool.RunAsync("rm", ["-rf", "--", folder], new() { AsNamespaceRoot = true }, cancellationToken);
        }
    }
}
