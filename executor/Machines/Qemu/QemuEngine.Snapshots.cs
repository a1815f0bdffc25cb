namespace RunnerVm.Machines.Qemu;

/// <summary>
/// Snapshots by QEMU's migration (docs/devel/migration.rst): with memory in a file the stream holds only the devices (x-ignore-shared, on
/// both sides). The guest is not stopped before, or its copies would come up stopped.
/// </summary>
internal sealed partial class QemuEngine
{
    /// <summary>Raised when the machine is built in another way than before, so that none is restored into it.</summary>
    private const int MachineVersion = 1;

    public async Task<IReadOnlyList<string>> DescribeAsync(CancellationToken cancellationToken)
    {
        var path = program.Find() ?? throw new MachineException($"{QemuProgram.Name} is not in PATH. {QemuProgram.HowToInstall}.");
        var file = new FileInfo(path);
        var acceleration = Acceleration(await probe.RunAsync(cancellationToken));
        return
        [
            $"qemu machine {MachineVersion}",
            $"program {path} {file.Length} {file.LastWriteTimeUtc.Ticks}",
            $"accelerator {string.Join(' ', acceleration.Arguments)} {string.Join(' ', acceleration.KernelArguments)}",
            .. HostCpu.Describe(),
        ];
    }

    public async Task<SnapshotMachine> StartForSnapshotAsync(MachineSpec spec, SnapshotFiles files, CancellationToken cancellationToken)
    {
        CheckFiles(("kernel", spec.KernelPath), ("initramfs", spec.InitramfsPath), ("root image", spec.RootImagePath), ("scratch disk", spec.ScratchDiskPath));
        var acceleration = Acceleration(await probe.RunAsync(cancellationToken));
        var (process, stream, monitor) = await LaunchAsync(
            spec, (agent, qmp) => QemuCommandLine.BuildForSnapshot(spec, files, acceleration, agent, qmp),
            (monitor, token) => monitor.ExecuteAsync("cont", token), cancellationToken);
        return new QemuSnapshotMachine(process, stream, monitor, Path.Combine(spec.RunDirectory, "state"), files.State, time);
    }

    public async Task<Machine> RestoreAsync(MachineSpec spec, SnapshotFiles files, Task scratchDisk, CancellationToken cancellationToken)
    {
        CheckFiles(("root image", spec.RootImagePath), ("scratch disk", spec.ScratchDiskPath), ("snapshot's memory", files.Memory));
        var acceleration = Acceleration(await probe.RunAsync(cancellationToken));
        var state = Path.Combine(spec.RunDirectory, "state");
        var (process, stream, monitor) = await LaunchAsync(
            spec, (agent, qmp) => QemuCommandLine.BuildForRestore(spec, files, acceleration, agent, qmp),
            (monitor, token) => ListenAsync(monitor, spec, state, token), cancellationToken);
        try
        {
            // QEMU has started beside the copying, and is through with its own part only now.
            await scratchDisk;
            await WatchAsync(process, token => ContinueAsync(state, files.State, token), cancellationToken);
            await monitor.DisposeAsync();
            return new EngineMachine(process, stream);
        }
        catch
        {
            await process.DisposeAsync();
            await monitor.DisposeAsync();
            await stream.DisposeAsync();
            throw;
        }
    }

    /// <summary>The state goes through a socket because QEMU's sandbox lets it start no program that would read a file to it.</summary>
    private static async Task ListenAsync(QmpConnection monitor, MachineSpec spec, string socket, CancellationToken cancellationToken)
    {
        // The monitor answers, so the disks are open; and without a state no guest runs.
        File.Delete(spec.ScratchDiskPath);
        await monitor.ExecuteAsync(
            ("migrate-set-capabilities", QmpConnection.IgnoreShared), ("migrate-incoming", QmpConnection.Uri(socket)), cancellationToken);
    }

    /// <returns>Nothing of interest.</returns>
    private static async Task<bool> ContinueAsync(string socket, string stateFile, CancellationToken cancellationToken)
    {
        var state = await File.ReadAllBytesAsync(stateFile, cancellationToken);
        await using var stream = await RunSocket.ConnectAsync(socket, cancellationToken);
        File.Delete(socket);
        await stream.WriteAsync(state, cancellationToken);
        return true;
    }
}
