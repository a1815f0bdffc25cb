namespace RunnerVm.Leases;

/// <summary>
/// The lock file of a run folder, flock'ed by FileShare.None: the kernel lets go of it when its process ends, however
/// it ends, so a lock that can be had marks a run nobody owns.
/// </summary>
internal sealed class RunLock : IDisposable
{
    private const string FileName = "lock";
    private readonly FileStream _file;

    private RunLock(string folder, FileStream file) => (Folder, _file) = (folder, file);

    public string Folder { get; }

    /// <summary>For a folder just made: fails when a sweeper took it for an orphan in between.</summary>
    public static RunLock? TryCreate(string folder) => TryOpen(folder, FileMode.CreateNew);

    /// <summary>
    /// For a folder found: null when somebody owns it or it is gone. Where there is no lock file one is made, so that
    /// an owner who is only just making the folder sees that it was taken from him.
    /// </summary>
    public static RunLock? TryTake(string folder) => TryOpen(folder, FileMode.OpenOrCreate);

    /// <summary>
    /// Removes the folder and all in it. The lock goes last but one: until then no sweeper looks inside. What cannot
    /// be removed is left to the next sweep.
    /// </summary>
    /// <returns>Whether nothing is left.</returns>
    public bool RemoveFolder()
    {
        try
        {
            foreach (var entry in new DirectoryInfo(Folder).EnumerateFileSystemInfos())
            {
                if (entry.Name == FileName) continue;
                if (entry is DirectoryInfo { LinkTarget: null } folder) folder.Delete(recursive: true);
                else entry.Delete();
            }

            File.Delete(Path.Combine(Folder, FileName));
            Directory.Delete(Folder);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return !Directory.Exists(Folder);
        }
    }

    public void Dispose() => _file.Dispose();

    private static RunLock? TryOpen(string folder, FileMode mode)
    {
        var path = Path.Combine(folder, FileName);
        FileStream file;
        try
        {
            file = new(path, mode, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        // Between opening and locking somebody else may have held it and removed the file: then this lock guards nothing.
        if (File.Exists(path)) return new(folder, file);
        file.Dispose();
        return null;
    }
}
