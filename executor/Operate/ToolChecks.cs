using RunnerVm.Machines;
using RunnerVm.Store;

namespace RunnerVm.Operate;

/// <summary>The programs of others we start, and the package that brings each.</summary>
internal static class ToolChecks
{
    private static readonly Tool[] Tools =
    [
        new("setpriv", "util-linux", "starts machines so that they die with us", Need.Always),
        new("mkfs.ext4", "e2fsprogs", "makes scratch disks", Need.Always),
        new("mmdebstrap", "mmdebstrap", "builds job images", Need.ToBuild),
        new("mkfs.erofs", "erofs-utils", "packs job images", Need.ToBuild),
        new("apt-get", "apt", "fetches the kernel and packages", Need.ToBuild),
        new("git", "git", "says which files of a repository go into a job", Need.Sometimes),
    ];

    private enum Need
    {
        /// <summary>No job without it.</summary>
        Always,

        /// <summary>No job without it while no image is in the cache.</summary>
        ToBuild,

        /// <summary>Some jobs do less without it.</summary>
        Sometimes,
    }

    public static IEnumerable<DoctorCheck> Run(DataDirectory data, string? searchPath = null)
    {
        var built = Directory.EnumerateFileSystemEntries(data.Images).Any();
        return Tools.Select(tool => Check(tool, built, searchPath));
    }

    private static DoctorCheck Check(Tool tool, bool built, string? searchPath)
    {
        var label = $"tool {tool.Program}";
        if (ProgramSearch.Find(tool.Program, searchPath) is { } path) return new(label, CheckStatus.Ok, path);
        var required = tool.Need == Need.Always || (tool.Need == Need.ToBuild && !built);
        return new(label, required ? CheckStatus.Missing : CheckStatus.Warn, "not in PATH",
            $"it {tool.Does}", $"apt-get install {tool.Package}")
        {
            Required = required,
        };
    }

    private sealed record Tool(string Program, string Package, string Does, Need Need);
}
