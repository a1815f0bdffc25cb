using CliWrap;
using CliWrap.Buffered;
using RunnerVm.Jobs;

namespace RunnerVm.Guests;

/// <summary>
/// Which files of a host folder go into the guest: in a git work tree what git tracks or would track (nothing ignored,
/// no .git), elsewhere everything. Paths are relative, sorted, folders before what is in them where they are named at all.
/// </summary>
internal static class WorkspaceFiles
{
    /// <exception cref="UserException">The folder does not exist, or cannot be read.</exception>
    public static async Task<IReadOnlyList<string>> ListAsync(Workspace workspace, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(workspace.Path))
            throw new UserException(ExitCodes.BadFile, $"Cannot copy the workspace {workspace.Path} into the machine: there is no such folder. Create it, or say 'workspace: none'.");
        try
        {
            var files = new List<string>();
            if (workspace.Everything || !await TryListGitAsync(workspace.Path, "", files, cancellationToken)) await WalkAsync(workspace.Path, "", files, cancellationToken);
            files.Sort(string.CompareOrdinal);
            return files;
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new UserException(ExitCodes.BadFile, $"Cannot read the workspace {workspace.Path}: {e.Message} Make it readable, ignore it in .gitignore, or name another folder by 'workspace:'.", e);
        }
    }

    private static async Task<bool> TryListGitAsync(string root, string below, List<string> files, CancellationToken cancellationToken)
    {
        var folder = Path.Join(root, below);
        BufferedCommandResult listed;
        try
        {
            listed = await Cli.Wrap("git")
                .WithArguments(["-C", folder, "-c", "core.quotepath=off", "-c", $"safe.directory={folder}", "-c", "core.fsmonitor=false", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"])
                .WithEnvironmentVariables(static e => e.Set("GIT_DIR", null).Set("GIT_WORK_TREE", null).Set("GIT_INDEX_FILE", null).Set("GIT_PREFIX", null))
                .WithValidation(CommandResultValidation.None)
                .ExecuteBufferedAsync(cancellationToken);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false; // No git on this host: nothing can be a work tree we know how to ask.
        }

        if (listed.ExitCode != 0) return false;
        foreach (var name in listed.StandardOutput.Split('\0', StringSplitOptions.RemoveEmptyEntries))
        {
            var relative = Path.Join(below, name.TrimEnd('/'));
            var full = Path.Join(root, relative);
            if (IsFolder(full))
            {
                // A submodule, or a repository inside this one: its own git knows what is in it.
                if (!await TryListGitAsync(root, relative, files, cancellationToken)) await WalkAsync(root, relative, files, cancellationToken);
            }
            else if (Path.Exists(full) || new FileInfo(full).LinkTarget is not null)
            {
                files.Add(relative);
            }
        }

        return true;
    }

    /// <summary>All plain files, folders and links. find, because the runtime cannot tell a FIFO from a file without opening it.</summary>
    private static async Task WalkAsync(string root, string below, List<string> files, CancellationToken cancellationToken)
    {
        var found = await Cli.Wrap("find")
            .WithArguments([Path.Join(root, below), "-mindepth", "1", "(", "-type", "f", "-o", "-type", "d", "-o", "-type", "l", ")", "-printf", "%P\\0"])
            .WithValidation(CommandResultValidation.None)
            .ExecuteBufferedAsync(cancellationToken);
        if (found.ExitCode != 0) throw new IOException(found.StandardError.Split('\n')[0] + ".");
        foreach (var name in found.StandardOutput.Split('\0', StringSplitOptions.RemoveEmptyEntries)) files.Add(Path.Join(below, name));
    }

    private static bool IsFolder(string path) => Directory.Exists(path) && new DirectoryInfo(path).LinkTarget is null;
}
