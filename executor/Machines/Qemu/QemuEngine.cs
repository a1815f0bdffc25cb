using System.Net.Sockets;
using RunnerVm.Jobs;

namespace RunnerVm.Machines.Qemu;

/// <summary>
/// Machines by QEMU's microvm board: on KVM where the ring-0 probe says it is real, on QEMU's software CPU
/// elsewhere. The guest's stream is a virtio-serial port; there is no network device.
/// </summary>
internal sealed class QemuEngine(RingZeroProbe probe, QemuProgram program, TimeProvider time) : IMachineEngine
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
        var path = program.Find()
            ?? throw new MachineException($"Cannot start QEMU: {QemuProgram.Name} is not in PATH. {QemuProgram.HowToInstall}.");
        CheckFiles(spec);
        var acceleration = Acceleration(await probe.RunAsync(cancellationToken));

        using var agent = RunSocket.Listen(Path.Combine(spec.RunDirectory, "agent"));
        using var monitor = RunSocket.Listen(Path.Combine(spec.RunDirectory, "qmp"));
        var arguments = QemuCommandLine.Build(spec, acceleration, agent.Path, monitor.Path);
        var process = await EngineProcess.StartAsync(_starter, path, arguments);
        try
        {
            return new EngineMachine(process, await ConnectAsync(process, agent, monitor, spec, cancellationToken));
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

    /// <summary>The guest's stream once its processors run; or why QEMU ended instead.</summary>
    private async Task<Stream> ConnectAsync(
        EngineProcess process, RunSocket agent, RunSocket monitor, MachineSpec spec, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(StartLimit, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var connected = BeginAsync(agent, monitor, spec, stop.Token);
        var ended = await Task.WhenAny(connected, process.Exited) != connected;
        if (ended) await stop.CancelAsync();
        try
        {
            return await connected;
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

    /// <summary>Waits until the machine is complete, takes the scratch disk's name away, and only then lets the guest begin.</summary>
    private static async Task<Stream> BeginAsync(
        RunSocket agent, RunSocket monitor, MachineSpec spec, CancellationToken cancellationToken)
    {
        var stream = await agent.AcceptAsync(cancellationToken);
        try
        {
            await using var connection = await monitor.AcceptAsync(cancellationToken);
            var qmp = await QmpConnection.OpenAsync(connection, cancellationToken);
            File.Delete(spec.ScratchDiskPath);
            await qmp.ExecuteAsync("cont", cancellationToken);
            return stream;
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    private static MachineException Ended(MachineExit exit, string console, Exception cause)
    {
        var words = exit.StandardError.Length > 0 ? exit.StandardError : cause.Message;
        var tail = console.Trim().Split('\n')[^1];
        return new($"QEMU ended at once with status {exit.ExitCode}: {words.TrimEnd('.')}."
            + (tail.Length > 0 ? $" The guest's console ends with: {tail}" : ""), cause);
    }

    private static void CheckFiles(MachineSpec spec)
    {
        foreach (var (what, path) in new[]
        {
            ("kernel", spec.KernelPath), ("initramfs", spec.InitramfsPath),
            ("root image", spec.RootImagePath), ("scratch disk", spec.ScratchDiskPath),
        })
            if (!File.Exists(path))
                throw new MachineException($"Cannot start a machine: its {what} {path} is not there.");
    }
}
