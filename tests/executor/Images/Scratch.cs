using RunnerVm.Images;
using RunnerVm.Store;

namespace RunnerVm.Tests.Executor.Images;

/// <summary>A data directory of one test's own, removed afterwards.</summary>
internal sealed class Scratch : IDisposable
{
    public Scratch() => Folder = Directory.CreateTempSubdirectory("runnervm-images-").FullName;

    public string Folder { get; }

    public DataDirectory Data => new(Path.Combine(Folder, "data"));

    public string this[string name] => Path.Combine(Folder, name);

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}

/// <summary>Keeps the reports, in order, on the reporting thread.</summary>
internal sealed class Reports : IProgress<BuildProgress>
{
    private readonly Lock _lock = new();
    private readonly List<BuildProgress> _all = [];

    public IReadOnlyList<BuildProgress> All
    {
        get
        {
            lock (_lock) return [.. _all];
        }
    }

    public void Report(BuildProgress value)
    {
        lock (_lock) _all.Add(value);
    }
}
