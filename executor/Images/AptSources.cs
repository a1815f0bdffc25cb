namespace RunnerVm.Images;

/// <summary>
/// The archive an image's packages come from: the one the host uses where it uses one of that release, so that closed
/// networks work; else Debian's own.
/// </summary>
internal static class AptSources
{
    private const string Format = "$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)";

    /// <returns>One-line sources, as in sources.list.</returns>
    public static async Task<IReadOnlyList<string>> ForSuiteAsync(string suite, CancellationToken cancellationToken)
    {
        // apt's own reading of its sources knows both of their formats, and the release files' origin.
        var targets = await Tool.RunAsync(
            "apt-get",
            ["indextargets", "--format", Format, "Created-By: Packages"],
            new() { Attempt = "read the host's package sources" },
            cancellationToken);
        return FromIndexTargets(targets, suite);
    }

    internal static IReadOnlyList<string> FromIndexTargets(string targets, string suite)
    {
        var lines = targets.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split('|'))
            .Where(parts => parts is ["Debian", _, var release, "main"] && (release == suite || release == suite + "-updates" || release == suite + "-security"))
            .Select(parts => $"deb {parts[1].TrimEnd('/')} {parts[2]} main")
            .Distinct()
            .ToList();
        return lines.Exists(line => line.Contains($" {suite} ", StringComparison.Ordinal)) ? lines :
        [
            $"deb http://deb.debian.org/debian {suite} main",
            $"deb http://deb.debian.org/debian {suite}-updates main",
            $"deb http://deb.debian.org/debian-security {suite}-security main",
        ];
    }
}
