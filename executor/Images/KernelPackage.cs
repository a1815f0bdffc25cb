namespace RunnerVm.Images;

/// <summary>
/// The distribution's cloud kernel package: found and fetched by apt, which verifies it against the archive's
/// signature, and unpacked without being installed. Needs no root.
/// </summary>
/// <param name="Name">The real package, for example linux-image-6.1.0-56-cloud-amd64.</param>
/// <param name="Version">The package's version.</param>
/// <param name="File">The downloaded .deb.</param>
internal sealed record KernelPackage(string Name, string Version, string File)
{
    /// <summary>Depends on the newest cloud kernel of the release.</summary>
    private const string MetaPackage = "linux-image-cloud-amd64";

    /// <param name="folder">Where it is downloaded to.</param>
    /// <param name="newest">Ask the archive for its newest first, instead of going by what the host's apt knows.</param>
    /// <exception cref="UserException">apt knows no such package, or could not fetch it.</exception>
    public static async Task<KernelPackage> DownloadAsync(
        string folder, bool newest, Action<string> report, CancellationToken cancellationToken)
    {
        if (newest) return await DownloadFromFreshListsAsync(folder, report, cancellationToken);
        try
        {
            return await DownloadAsync(folder, [], report, cancellationToken);
        }
        catch (UserException first)
        {
            // The host's lists may be missing or name a version the archive no longer has: go by fresh ones.
            try
            {
                return await DownloadFromFreshListsAsync(folder, report, cancellationToken);
            }
            catch (UserException second)
            {
                throw new UserException(first.ExitCode, $"{first.Message}\nWith fresh package lists: {second.Message}", first);
            }
        }
    }

    private static async Task<KernelPackage> DownloadFromFreshListsAsync(
        string folder, Action<string> report, CancellationToken cancellationToken)
    {
        var options = PrivateLists(folder);
        report("asking the archive for its package lists");
        // A source that fails is a warning only: it may be one that has no kernels.
        await Tool.RunAsync(
            "apt-get", [.. options, "update"], new() { Attempt = "fetch the package lists for the kernel" }, cancellationToken);
        return await DownloadAsync(folder, options, report, cancellationToken);
    }

    /// <summary>Unpacks the package's files.</summary>
    public Task UnpackAsync(string folder, CancellationToken cancellationToken) => Tool.RunAsync(
        "dpkg-deb", ["-x", File, folder], new() { Attempt = $"unpack the kernel package {Name}" }, cancellationToken);

    private static async Task<KernelPackage> DownloadAsync(
        string folder, string[] options, Action<string> report, CancellationToken cancellationToken)
    {
        var depends = await Tool.RunAsync(
            "apt-cache", [.. options, "depends", MetaPackage], new() { Attempt = "find the distribution's cloud kernel" }, cancellationToken);
        var name = RealPackage(depends) ?? throw new UserException(
            ExitCodes.Failed,
            $"Cannot find the distribution's cloud kernel: apt knows no package behind {MetaPackage}. "
            + "On a distribution other than Debian, name an uncompressed kernel with \"kernel:\" in the job file.");
        report($"downloading {name}");
        await Tool.RunAsync(
            "apt-get",
            // The download folder is ours alone, so apt's own user could not write to it.
            [.. options, "-q", "-o", "APT::Sandbox::User=root", "download", name],
            new() { Attempt = $"download the kernel package {name}", WorkingDirectory = folder },
            cancellationToken);
        var file = Directory.GetFiles(folder, name + "_*.deb").Single();
        var version = Uri.UnescapeDataString(Path.GetFileName(file).Split('_')[1]);
        return new(name, version, file);
    }

    internal static string? RealPackage(string aptCacheDepends) => aptCacheDepends.Split('\n')
        .Select(line => line.Trim())
        .Where(line => line.StartsWith("Depends: linux-image-", StringComparison.Ordinal))
        .Select(line => line["Depends: ".Length..].Split(' ')[0])
        .FirstOrDefault();

    /// <summary>The host's sources and keys, with lists of our own: updating them needs no root and changes nothing of the host's.</summary>
    private static string[] PrivateLists(string folder)
    {
        var lists = Directory.CreateDirectory(Path.Combine(folder, "lists")).FullName;
        var cache = Directory.CreateDirectory(Path.Combine(folder, "cache")).FullName;
        return
        [
            "-o", $"Dir::State::Lists={lists}", "-o", $"Dir::Cache={cache}", "-o", "APT::Sandbox::User=root",
            "-o", "Acquire::Languages=none",
        ];
    }
}
