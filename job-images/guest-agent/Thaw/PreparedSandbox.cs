using RunnerVm.GuestAgent.Boot;
using RunnerVm.GuestAgent.Native;
using RunnerVm.GuestAgent.Network;
using RunnerVm.GuestAgent.Processes;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Thaw;

/// <summary>
/// A gVisor sandbox with all in place: its root is writable from the start and its kernel new, so that only folders and the
/// way out are missing.
/// </summary>
internal static class PreparedSandbox
{
    private const string CgroupFolder = PreparedMachine.ScriptFolder + "/cgroup";

    /// <exception cref="IOException">Something could not be made; the message says what.</exception>
    /// <exception cref="System.ComponentModel.Win32Exception">Likewise.</exception>
    public static PreparedMachine Make(string workspace, bool withNetwork, GuestConnection connection)
    {
        if (!workspace.StartsWith('/')) throw new IOException($"The workspace must be an absolute path, not {workspace}.");
        MakeFolders(workspace);
        var names = IdentityFiles.Create(withNetwork);
        if (withNetwork)
        {
            SandboxRedirect.Start(connection);
            EgressRedirect.WriteResolverFile();
        }

        // gVisor knows cgroups of version 1 only: they tell who belongs to a step, and bound the number of processes.
        _ = Mounts.TryMount("cgroup", "cgroup", CgroupFolder, 0, "pids");
        _ = Libc.chdir(workspace);
        return new(workspace, Scratch: null, JobCgroup.TryCreate(CgroupFolder), names);
    }

    private static void MakeFolders(string workspace)
    {
        // A file system in memory by default; the root below it is on the host's disk, as in a machine.
        Mounts.Detach("/tmp");
        foreach (var folder in (string[])[workspace, "/tmp", "/run/lock", PreparedMachine.ScriptFolder]) KernelFile.CreateFolders(folder);
        foreach (var shared in (string[])["/tmp", "/run/lock"]) _ = Libc.chmod(shared, 0b001_111_111_111);
        _ = Libc.chmod(PreparedMachine.ScriptFolder, 0b111_000_000);
        JobRoot.LinkStandardStreams();
    }
}
