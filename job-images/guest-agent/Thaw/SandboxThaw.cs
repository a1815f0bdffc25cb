using RunnerVm.GuestAgent.Boot;
using RunnerVm.GuestAgent.Native;
using RunnerVm.GuestAgent.Network;
using RunnerVm.GuestAgent.Processes;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Thaw;

/// <summary>
/// Makes a gVisor sandbox ready: the root is writable from the start and its kernel is new, so that only name, folders
/// and the way out are missing.
/// </summary>
internal static class SandboxThaw
{
    private const string CgroupFolder = ThawStep.ScriptFolder + "/cgroup";

    public static Workplace Run(ThawRequest request, GuestConnection connection)
    {
        if (!request.Workspace.StartsWith('/')) throw new IOException($"The workspace must be an absolute path, not {request.Workspace}.");
        Identity.SetHostname(request.Hostname);
        MakeFolders(request.Workspace);
        ThawStep.WriteIdentityFiles(request);
        if (request.Network)
        {
            SandboxRedirect.Start(connection);
            EgressRedirect.WriteResolverFile();
        }

        // gVisor knows cgroups of version 1 only: they tell who belongs to a step, and bound the number of processes.
        _ = Mounts.TryMount("cgroup", "cgroup", CgroupFolder, 0, "pids");
        _ = Libc.chdir(request.Workspace);
        return new(request.Workspace, ThawStep.ScriptFolder, Scratch: null, JobCgroup.TryCreate(CgroupFolder));
    }

    private static void MakeFolders(string workspace)
    {
        // A file system in memory by default; the root below it is on the host's disk, as in a machine.
        Mounts.Detach("/tmp");
        foreach (var folder in (string[])[workspace, "/tmp", "/run/lock", ThawStep.ScriptFolder]) KernelFile.CreateFolders(folder);
        foreach (var shared in (string[])["/tmp", "/run/lock"]) _ = Libc.chmod(shared, 0b001_111_111_111);
        _ = Libc.chmod(ThawStep.ScriptFolder, 0b111_000_000);
        JobRoot.LinkStandardStreams();
    }
}
