namespace RunnerVm.Machines.Firecracker;

/// <summary>
/// Snapshots by Firecracker's API. A snapshot holds the paths of disks and vsock socket, and Firecracker can put no other disk in
/// their place. So machines that are laid down or restored run in their own run directory and know these by one name each, which
/// is a link there to where they are; that goes for ours, too, which could do without.
/// </summary>
internal sealed partial class FirecrackerEngine
{
    /// <summary>Raised when the machine is built in another way than before, so that none is restored into it.</summary>
    private const int MachineVersion = 1;

    private static readonly HostPaths Links = new("root", "scratch", VsockName);

    public async Task<IReadOnlyList<string>> DescribeAsync(CancellationToken cancellationToken)
    {
        var path = program.Find() ?? throw new MachineException($"{program.FileName} is not {Where}. {program.HowToInstall}.");
        var file = new FileInfo(path);
        return
        [
            $"{Name} machine {MachineVersion}",
            $"program {path} {file.Length} {file.LastWriteTimeUtc.Ticks}",
            // What KVM saves of a machine is its kernel's.
            $"kernel {(await File.ReadAllTextAsync("/proc/sys/kernel/osrelease", cancellationToken)).Trim()}",
            .. HostCpu.Describe(),
        ];
    }

    public async Task<SnapshotMachine> StartForSnapshotAsync(MachineSpec spec, SnapshotFiles files, CancellationToken cancellationToken)
    {
        Link(spec);
        var (process, stream) = await LaunchAsync(
            spec, spec.RunDirectory, (api, token) => BootAsync(api, spec, Links, static () => { }, token), cancellationToken);
        return new FirecrackerSnapshotMachine(process, stream, ApiSocket(spec), files, time);
    }

    public async Task<Machine> RestoreAsync(MachineSpec spec, SnapshotFiles files, Task scratchDisk, CancellationToken cancellationToken)
    {
        Link(spec);
        await scratchDisk;
        var (process, stream) = await LaunchAsync(spec, spec.RunDirectory, async (api, token) =>
        {
            await api.PutAsync("/snapshot/load", new(files.State, new("File", files.Memory), ResumeVm: true), ApiJson.Default.ApiSnapshotLoad, token);
            File.Delete(spec.ScratchDiskPath);
        }, cancellationToken);
        return new EngineMachine(process, stream);
    }

    private static void Link(MachineSpec spec)
    {
        foreach (var (name, path) in new[] { (Links.Root, spec.RootImagePath), (Links.Scratch, spec.ScratchDiskPath) })
        {
            var link = Path.Combine(spec.RunDirectory, name);
            if (path != link) File.CreateSymbolicLink(link, path);
        }
    }
}
