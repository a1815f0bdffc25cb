using CliWrap;

namespace RunnerVm.Images;

/// <summary>
/// Builds a root file system by mmdebstrap and packs it into an erofs file while still inside mmdebstrap's namespaces,
/// where every file has its real owner even when we are not root. No tar stands between.
/// </summary>
internal static class Bootstrap
{
    // Documentation stays out; so do index files and caches. Jobs that install packages get the same rules.
    private static readonly string[] DpkgOptions =
    [
        "path-exclude=/usr/share/man/*", "path-exclude=/usr/share/locale/*", "path-exclude=/usr/share/info/*",
        "path-exclude=/usr/share/doc/*", "path-include=/usr/share/doc/*/copyright", "force-unsafe-io",
    ];

    /// <summary>
    /// $0 is the target folder, $1 the root file system. A bind mount shows it without /proc, /sys and /dev, which are
    /// mounted on top of it at this time; what mmdebstrap itself would clean up later is left out of the image.
    /// </summary>
    private const string PackHook = """
        set -eu
        view="$0/view"
        mkdir "$view"
        mount --bind "$1" "$view"
        chroot "$view" dpkg-query -W -f '${Package} ${Version}\n' >"$0/packages"
        rm -rf "$view"/var/lib/apt/lists/* "$view"/var/cache/apt/* "$view"/var/log/* "$view"/var/cache/ldconfig/aux-cache
        rm -rf "$view"/tmp/* "$view"/run/* "$view"/etc/resolv.conf "$view"/etc/hostname "$view"/var/lib/dpkg/*-old
        mkdir "$view"/run/lock
        : >"$view"/etc/machine-id
        mkfs.erofs -d0 -zlz4 -T0 --exclude-regex='^dev/' "$0/root.erofs" "$view"
        umount "$view"
        """;

    /// <param name="folder">Empty; receives root.erofs and packages (name and version, one a line), beside what is temporary.</param>
    /// <exception cref="UserException">A tool is missing or failed.</exception>
    public static async Task RunAsync(
        ImageRecipe recipe, string folder, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        // Known now rather than after a minute of downloads.
        Tool.Require("mkfs.erofs");
        var sources = await AptSources.ForSuiteAsync(recipe.Suite, cancellationToken);
        var seen = new BootstrapProgress("image " + recipe.Name, progress);
        List<string> arguments =
        [
            "--verbose", "--mode=root", "--format=null", "--variant=minbase",
            "--include=" + string.Join(',', recipe.Packages), "--aptopt=APT::Sandbox::User \"root\"",
        ];
        arguments.AddRange(DpkgOptions.Select(option => "--dpkgopt=" + option));
        // mmdebstrap hands a hook that is no plain command to "sh -c" with the root file system as $1.
        arguments.AddRange(recipe.Run.Select(line => $"--customize-hook=chroot \"$1\" sh -euc {Quote(line)}"));
        var script = Path.Combine(folder, "pack");
        await File.WriteAllTextAsync(script, PackHook, cancellationToken);
        arguments.Add($"--customize-hook=sh -c \"$(cat {Quote(script)})\" {Quote(folder)} \"$1\"");
        arguments.AddRange([recipe.Suite, "-", "-"]);
        await Tool.RunAsync(
            "mmdebstrap",
            arguments,
            new()
            {
                Attempt = $"build the image {recipe.Name}",
                AsNamespaceRoot = true,
                Input = PipeSource.FromString(string.Join('\n', sources) + "\n"),
                Output = PipeTarget.ToDelegate(seen.OnLine),
                OnErrorLine = seen.OnLine,
                Environment = new Dictionary<string, string?> { ["TMPDIR"] = folder, ["PATH"] = SystemPath() },
            },
            cancellationToken);
    }

    private static string SystemPath() => Environment.GetEnvironmentVariable("PATH") + ":/usr/sbin:/sbin";

    private static string Quote(string text) => "'" + text.Replace("'", "'\\''", StringComparison.Ordinal) + "'";
}
