namespace RunnerVm.Images;

/// <summary>What a root image is built from, with all it inherits filled in.</summary>
/// <param name="Name">Its folder below job-images.</param>
/// <param name="Suite">The Debian release, by code name.</param>
/// <param name="Packages">Sorted, each once.</param>
/// <param name="Run">Shell lines, run as root inside the image once its packages are installed.</param>
internal sealed record ImageRecipe(string Name, string Suite, IReadOnlyList<string> Packages, IReadOnlyList<string> Run)
{
    /// <summary>Raised when the builder itself changes what comes out of the same recipe.</summary>
    private const int BuilderVersion = 1;

    /// <summary>Everything that decides what is built, as text: equal texts need no second build.</summary>
    public string Key => string.Join('\n', [
        $"builder {BuilderVersion}", $"suite {Suite}", .. Packages.Select(package => "package " + package), .. Run.Select(line => "run " + line),
    ]);
}
