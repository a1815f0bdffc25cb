namespace RunnerVm.Tests.Vmm.Seccomp;

/// <summary>The repository these tests were built in.</summary>
internal static class Sources
{
    public static string Root { get; } = Find(AppContext.BaseDirectory);

    private static string Find(string folder) =>
        File.Exists(Path.Combine(folder, "RunnerVm.sln")) ? folder : Find(Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("The tests do not run below the repository."));
}
