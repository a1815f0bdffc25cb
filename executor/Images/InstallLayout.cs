namespace RunnerVm.Images;

/// <summary>
/// Where the program finds what it was shipped with. Programs lie side by side in one folder; the recipes are in
/// <c>job-images</c> of the first folder above it that has one (a clone: <c>.build/programs/runnervm</c>).
/// <c>RUNNERVM_ROOT</c> names that folder instead.
/// </summary>
internal sealed record InstallLayout(string Programs, string JobImages)
{
    /// <summary>The guest agent's binary, /init of every machine.</summary>
    public string GuestAgent => Path.Combine(Programs, "runnervm-guest-agent");

    /// <summary>Our virtual machine monitor's binary.</summary>
    public string Monitor => Path.Combine(Programs, "runnervm-vmm");

    /// <summary>What locks a monitor up before it runs; needs root.</summary>
    public string Jailer => Path.Combine(Programs, "runnervm-jailer");

    /// <exception cref="UserException">No folder with recipes was found.</exception>
    public static InstallLayout FromEnvironment() => Find(
        Environment.GetEnvironmentVariable("RUNNERVM_ROOT"),
        Path.GetDirectoryName(Environment.ProcessPath) ?? AppContext.BaseDirectory);

    /// <param name="root">The folder that holds job-images, or null to look for it.</param>
    /// <param name="programFolder">Where the running program lies.</param>
    internal static InstallLayout Find(string? root, string programFolder)
    {
        root = string.IsNullOrEmpty(root) ? RootAbove(programFolder) : Path.GetFullPath(root);
        var recipes = root is null ? null : Path.Combine(root, "job-images");
        if (recipes is null || !Directory.Exists(recipes))
        {
            throw new UserException(
                ExitCodes.Failed,
                $"Cannot find the folder job-images (image recipes) {(root is null ? "above" : "in")} {root ?? programFolder}. "
                + "Run ./runnervm from a clone, or set RUNNERVM_ROOT to the folder that holds job-images.");
        }

        // Tests and other programs run from their own build folder; the published programs are beside the sources.
        var published = Path.Combine(root!, ".build", "programs");
        var programs = File.Exists(Path.Combine(programFolder, "runnervm-guest-agent")) || !Directory.Exists(published)
            ? programFolder
            : published;
        return new(programs, recipes);
    }

    private static string? RootAbove(string folder)
    {
        for (var at = new DirectoryInfo(folder); at is not null; at = at.Parent)
        {
            if (Directory.Exists(Path.Combine(at.FullName, "job-images"))) return at.FullName;
        }

        return null;
    }
}
