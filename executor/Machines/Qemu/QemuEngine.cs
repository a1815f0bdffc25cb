using System.Net.Sockets;
using RunnerVm.Jobs;

namespace RunnerVm.Machines.Qemu;

/// <summary>
/// Machines by QEMU's microvm board: on KVM where the ring-0 probe says it is real, on QEMU's software CPU
/// elsewhere. The guest's stream is a virtio-serial port; there is no network device.
/// </summary>
internal sealed partial class QemuEngine(RingZeroProbe probe, QemuProgram program, TimeProvider time) : ISnapshottingEngine
{
    /// <summary>QEMU answers within 0.1 s; a machine that swaps may need longer, one that hangs forever must not.</summary>
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(2);

    private readonly StarterThread _starter = new();

    public string Name => "qemu";

    public Isolation Isolation => Isolation.Kernel;

    public async Task<EngineAvailability> CheckAvailabilityAsync(CancellationToken cancellationToken)
    {
        if (program.Find() is not { } path)
            return new(false, "", $"{QemuProgram.Name} is not in PATH", QemuProgram.HowToInstall);
        if (ProgramSearch.Find("setpriv") is null)
            return new(false, "", "setpriv is not in PATH", "Install it: apt-get install util-linux");

        var ringZero = await probe.RunAsync(cancellationToken);
        var version = await program.VersionAsync(path, cancellationToken) ?? "of unknown version";
        return new(true, $"QEMU {version}, {Acceleration(ringZero).Name}", Slow: ringZero.Real ? null : WhySlow(ringZero));
    }

    public async Task<Machine> StartAsync(MachineSpec spec, CancellationToken cancellationToken)
    {
        CheckFiles(("kernel", spec.KernelPath), ("initramfs", spec.InitramfsPath), ("root image", spec.RootImagePath), ("scratch disk", spec.ScratchDiskPath));
        CheckFiles([.. spec.Disks.Select(static d => ($"disk {d.Name}", d.Path))]);
        var acceleration = Acceleration(await probe.RunAsync(cancellationToken));
        var (process, stream, monitor) = await LaunchAsync(
            spec, (agent, qmp) => QemuCommandLine.Build(spec, acceleration, agent, qmp),
            (monitor, token) => BeginAsync(monitor, spec.ScratchDiskPath, token), cancellationToken);
        await monitor.DisposeAsync();
        return new EngineMachine(process, stream);
    }

    /// <param name="arguments">From the paths of the agent's socket and of the monitor's.</param>
    /// <param name="begin">Lets the guest run, by the monitor.</param>
    private async Task<(EngineProcess Process, Stream Agent, QmpConnection Monitor)> LaunchAsync(
        MachineSpec spec, Func<string, string, IReadOnlyList<string>> arguments, Func<QmpConnection, CancellationToken, Task> begin, CancellationToken cancellationToken)
    {
        var path = program.Find()
            ?? throw new MachineException($"Cannot start QEMU: {QemuProgram.Name} is not in PATH. {QemuProgram.HowToInstall}.");
        using var agent = RunSocket.Listen(Path.Combine(spec.RunDirectory, "agent"));
        using var monitor = RunSocket.Listen(Path.Combine(spec.RunDirectory, "qmp"));
        var process = await EngineProcess.StartAsync(_starter, path, arguments(agent.Path, monitor.Path));
        try
        {
            var (stream, qmp) = await WatchAsync(process, token => ConnectAsync(agent, monitor, begin, token), cancellationToken);
            return (process, stream, qmp);
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    private static string WhySlow(RingZeroResult probe) => probe.Kvm
        ? $"KVM is emulated on this host ({probe.Figure}; above 50 million it is real)"
        : $"KVM is not usable: {probe.Reason}";

    private static QemuAcceleration Acceleration(RingZeroResult probe) => probe.Real
        ? QemuAcceleration.Kvm(QemuAcceleration.HasArchCapabilities(File.ReadLines("/proc/cpuinfo")))
        : QemuAcceleration.Tcg(TimeStampCounter.Khz(probe));

    /// <summary>What <paramref name="talk"/> makes of a young machine; or why QEMU ended instead.</summary>
    private async Task<T> WatchAsync<T>(EngineProcess process, Func<CancellationToken, Task<T>> talk, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(StartLimit, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var talking = talk(stop.Token);
        if (await Task.WhenAny(talking, process.Exited) != talking) await stop.CancelAsync();
        try
        {
            return await talking;
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or SocketException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (deadline.IsCancellationRequested)
                throw new MachineException($"QEMU did not complete its machine within {StartLimit.TotalSeconds} seconds.", e);
            // A broken connection is how the end of the process shows first; were it not the end, we make it one.
            await Task.WhenAny(process.Exited, Task.Delay(LastWords, time, cancellationToken));
            await process.DisposeAsync();
            throw Ended(await process.Exited, process.OutputTail, e);
        }
    }

    private static async Task<(Stream Agent, QmpConnection Monitor)> ConnectAsync(
        RunSocket agent, RunSocket monitor, Func<QmpConnection, CancellationToken, Task> begin, CancellationToken cancellationToken)
    {
        var stream = await agent.AcceptAsync(cancellationToken);
        QmpConnection? qmp = null;
        try
        {
            qmp = await QmpConnection.OpenAsync(await monitor.AcceptAsync(cancellationToken), cancellationToken);
            await begin(qmp, cancellationToken);
            return (stream, qmp);
        }
        catch
        {
            if (qmp is not null) await qmp.DisposeAsync();
            await stream.DisposeAsync();
            throw;
        }
    }

    /// <summary>The machine is complete, or its monitor would not answer: takes the scratch disk's name away, and only then lets the guest begin.</summary>
    private static Task BeginAsync(QmpConnection monitor, string scratchDisk, CancellationToken cancellationToken)
    {
        File.Delete(scratchDisk);
        return monitor.ExecuteAsync("cont", cancellationToken);
    }

    private static MachineException Ended(MachineExit exit, string console, Exception cause)
    {
        var words = exit.StandardError.Length > 0 ? exit.StandardError : cause.Message;
        var tail = console.Trim().Split('\n')[^1];
        return new($"QEMU ended at once with status {exit.Status}: {words.TrimEnd('.')}."
            + (tail.Length > 0 ? $" The guest's console ends with: {tail}" : ""), cause);
    }

    private static void CheckFiles(params ReadOnlySpan<(string What, string Path)> files)
    {
        foreach (var (what, path) in files)
            if (!File.Exists(path))
                throw new MachineException($"Cannot start a machine: its {what} {path} is not there.");
    }
}
