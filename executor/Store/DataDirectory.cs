namespace RunnerVm.Store;

/// <summary>
/// Where everything of ours on this host lives: <c>$RUNNERVM_HOME</c>, else <c>/var/lib/runnervm</c> for root and
/// <c>$XDG_DATA_HOME/runnervm</c> (<c>~/.local/share/runnervm</c>) for others. One folder, so it can be measured and removed.
/// </summary>
internal sealed class DataDirectory
{
    public DataDirectory(string root)
    {
        Root = Path.GetFullPath(root);
        Directory.CreateDirectory(Root, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    public string Root { get; }

    /// <summary>Root images, one file a digest.</summary>
    public string Images => Make("images");

    /// <summary>Kernels and initramfs files, one folder a digest.</summary>
    public string Kernels => Make("kernels");

    /// <summary>Machines laid down in files, one folder a kind.</summary>
    public string Snapshots => Make("snapshots");

    /// <summary>One folder a running job; empty when none runs. See Leases.</summary>
    public string Runs => Make("runs");

    /// <summary>What stays of a job: audit lines, console tail of a lost machine.</summary>
    public string Logs => Make("logs");

    /// <summary>What <c>exec</c> brings out when the job file names no folder.</summary>
    public string Artifacts => Make("artifacts");

    public static DataDirectory FromEnvironment()
    {
        if (Environment.GetEnvironmentVariable("RUNNERVM_HOME") is { Length: > 0 } home) return new(home);
        if (Environment.IsPrivilegedProcess) return new("/var/lib/runnervm");
        var data = Environment.GetEnvironmentVariable("XDG_DATA_HOME") is { Length: > 0 } xdg
            ? xdg
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "share");
        return new(Path.Combine(data, "runnervm"));
    }

    private string Make(string name) => Directory.CreateDirectory(Path.Combine(Root, name)).FullName;
}
