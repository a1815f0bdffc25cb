namespace RunnerVm.Images;

/// <summary>The tools an image is built with, as part of what went into it.</summary>
internal static class BuilderTools
{
    /// <returns>"package version" of each; "package unknown" for one that is no Debian package here.</returns>
    public static async Task<IReadOnlyList<string>> VersionsAsync(CancellationToken cancellationToken)
    {
        string[] packages = ["mmdebstrap", "erofs-utils"];
        try
        {
            var output = await Tool.RunAsync(
                "dpkg-query", ["-W", "-f", "${Package} ${Version}\\n", .. packages], new(), cancellationToken);
            return [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal)];
        }
        catch (UserException)
        {
            return [.. packages.Select(package => package + " unknown")];
        }
    }
}
