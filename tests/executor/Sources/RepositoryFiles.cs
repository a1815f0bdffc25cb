namespace RunnerVm.Tests.Executor.Sources;

/// <summary>Files of the repository this build came from.</summary>
internal static class RepositoryFiles
{
    public static string Root { get; } = FindRoot();

    public static string PathOf(params string[] parts) => Path.Combine([Root, .. parts]);

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "RunnerVm.sln"))) return folder.FullName;
        }

        throw new InvalidOperationException($"RunnerVm.sln is in no folder above {AppContext.BaseDirectory}.");
    }
}
