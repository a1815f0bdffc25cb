using RunnerVm.Vmm.Monitor.Configuration;

namespace RunnerVm.Tests.Vmm.Snapshots;

/// <summary>Where a test's snapshots lie.</summary>
internal sealed class SnapshotFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("snap-").FullName;

    public string State => At("state");

    public string Memory => At("memory");

    public string At(string name) => System.IO.Path.Combine(Path, name);

    public SnapshotLoad Load() => new() { SnapshotPath = State, MemFilePath = Memory };

    /// <summary>A file of this many sectors, all of it a hole.</summary>
    public string Disk(string name, int sectors)
    {
        using var file = File.OpenHandle(At(name), FileMode.Create, FileAccess.Write);
        RandomAccess.SetLength(file, sectors * 512L);
        return At(name);
    }

    public string Copy(string from, string to)
    {
        File.Copy(At(from), At(to), overwrite: true);
        return At(to);
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
