using System.Net.Sockets;
using RunnerVm.Jobs;

namespace RunnerVm.Machines.Firecracker;

/// <summary>
/// Machines by a monitor that speaks Firecracker's API: ours (engine vmm) or the user's firecracker. The guest's stream is
/// the connection its agent makes over vsock, which the monitor brings to a Unix socket of ours; there is no network device.
/// </summary>
internal sealed partial class FirecrackerEngine(FirecrackerProgram program, RingZeroProbe probe, FactCache facts, TimeProvider time) : ISnapshottingEngine
{
    /// <summary>The port of the host the agent connects to; it reads the number from its environment, where the kernel puts what it does not know.</summary>
    public const int AgentPort = 1024;

    /// <summary>In the run directory.</summary>
    private const string VsockName = "vsock";

    /// <summary>The first that is not reserved (vsock(7)). Each machine has a monitor of its own, so all may have the same.</summary>
    private const uint GuestCid = 3;

    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LastAnswer = TimeSpan.FromMilliseconds(500);
    private const int LastLines = 3;
    private readonly StarterThread _starter = new();

    public string Name => program.EngineName;

    public Isolation Isolation => Isolation.Kernel;

    public async Task<EngineAvailability> CheckAvailabilityAsync(CancellationToken cancellationToken)
    {
        if (program.Find() is not { } path) return new(false, "", $"{program.FileName} is not {Where}", program.HowToInstall);
        if (ProgramSearch.Find("setpriv") is null)
            return new(false, "", "setpriv is not in PATH", "Install it: apt-get install util-linux");

        var ringZero = await probe.RunAsync(cancellationToken);
        if (!ringZero.Real) return new(false, "", WhyNot(ringZero), ringZero.Fix);
        return await program.VersionAsync(path, facts, cancellationToken) is { } version
            ? new(true, version)
            : new(false, "", $"{path} --version does not say which version it is", program.HowToInstall);
    }

    public async Task<Machine> StartAsync(MachineSpec spec, CancellationToken cancellationToken)
    {
        var (process, stream) = await LaunchAsync(spec, "/", (api, token) => BootAsync(
            api, spec, new(spec.RootImagePath, spec.ScratchDiskPath, Path.Combine(spec.RunDirectory, VsockName)), () => File.Delete(spec.ScratchDiskPath), token), cancellationToken);
        return new EngineMachine(process, stream);
    }

    /// <param name="folder">The monitor's working directory.</param>
    /// <param name="make">Makes the machine by requests; it runs afterwards.</param>
    private async Task<(EngineProcess Process, Stream Agent)> LaunchAsync(
        MachineSpec spec, string folder, Func<FirecrackerApi, CancellationToken, Task> make, CancellationToken cancellationToken)
    {
        var path = program.Find()
            ?? throw new MachineException($"Cannot start a machine: {program.FileName} is not {Where}. {program.HowToInstall}.");
        var apiSocket = ApiSocket(spec);
        var agent = RunSocket.Listen($"{Path.Combine(spec.RunDirectory, VsockName)}_{AgentPort}");
        EngineProcess? process = null;
        try
        {
            process = await EngineProcess.StartAsync(_starter, path, ["--id", spec.Id, "--api-sock", apiSocket], folder);
            await WatchAsync(process, async token =>
            {
                await FirecrackerApi.WaitAsync(apiSocket, time, token);
                using var api = new FirecrackerApi(apiSocket, "Cannot start a machine");
                await make(api, token);
            }, cancellationToken);
            return (process, new GuestConnectionStream(AcceptAsync(agent, process), agent));
        }
        catch
        {
            agent.Dispose();
            if (process is not null) await process.DisposeAsync();
            throw;
        }
    }

    private static string ApiSocket(MachineSpec spec) => Path.Combine(spec.RunDirectory, "api");

    private string Where => program.Folder is null ? "in PATH" : $"in {program.Folder}";

    private static string WhyNot(RingZeroResult probe) => probe.Kvm
        ? $"KVM is emulated on this host and cannot run a Linux guest ({probe.Figure}; above 50 million it is real)"
        : $"KVM is not usable: {probe.Reason}";

    /// <summary>Until the machine runs; or why its monitor ended instead.</summary>
    private async Task WatchAsync(EngineProcess process, Func<CancellationToken, Task> make, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(StartLimit, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var made = make(stop.Token);
        if (await Task.WhenAny(made, process.Exited) != made)
        {
            // Its last answer may still be on the way here: a guest can be over before we have read that it runs.
            await Task.WhenAny(made, Task.Delay(LastAnswer, time, cancellationToken));
            await stop.CancelAsync();
        }

        try
        {
            await made;
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or HttpRequestException or SocketException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (deadline.IsCancellationRequested)
                throw new MachineException($"{program.FileName} did not start its machine within {StartLimit.TotalSeconds} seconds.", e);
            // A broken connection is how the end of the process shows first; were it not the end, we make it one.
            await Task.WhenAny(process.Exited, Task.Delay(LastWords, time, cancellationToken));
            await process.DisposeAsync();
            throw Ended(await process.Exited, process.OutputTail, e);
        }
    }

    /// <summary>Configures and starts the guest; afterwards its disks are open.</summary>
    /// <param name="opened">Called then.</param>
    private static async Task BootAsync(FirecrackerApi api, MachineSpec spec, HostPaths paths, Action opened, CancellationToken cancellationToken)
    {
        await api.PutAsync("/machine-config", new(spec.Cpus, spec.MemoryMib), ApiJson.Default.ApiMachineConfiguration, cancellationToken);
        await api.PutAsync("/boot-source", BootSource(spec), ApiJson.Default.ApiBootSource, cancellationToken);
        // Neither is the root device: the initramfs mounts them. Their order makes them /dev/vda, /dev/vdb and on.
        await api.PutAsync("/drives/root", new("root", paths.Root, false, true, "Unsafe"), ApiJson.Default.ApiDrive, cancellationToken);
        // The scratch disk does not outlive its machine, so a guest's flush need not reach the platter (Unsafe).
        await api.PutAsync("/drives/scratch", new("scratch", paths.Scratch, false, false, "Unsafe"), ApiJson.Default.ApiDrive, cancellationToken);
        for (var i = 0; i < spec.Disks.Count; i++)
            await api.PutAsync($"/drives/disk{i}", new($"disk{i}", spec.Disks[i].Path, false, true, "Unsafe"), ApiJson.Default.ApiDrive, cancellationToken);
        await api.PutAsync("/vsock", new(GuestCid, paths.Vsock), ApiJson.Default.ApiVsock, cancellationToken);
        await api.PutAsync("/actions", new("InstanceStart"), ApiJson.Default.ApiAction, cancellationToken);
        opened();
    }

    /// <summary>As on QEMU, but that a reset by the keyboard controller ends this monitor.</summary>
    private static ApiBootSource BootSource(MachineSpec spec) => new(spec.KernelPath, spec.InitramfsPath, string.Join(' ', [
        "console=ttyS0", "quiet", "panic=-1", "reboot=k", "cryptomgr.notests", "rcupdate.rcu_expedited=1", $"runnervm_vsock={AgentPort}", .. spec.DiskArguments, .. spec.KernelArguments,
    ]));

    private static async Task<Stream?> AcceptAsync(RunSocket agent, EngineProcess process)
    {
        using var stop = new CancellationTokenSource();
        var accepted = agent.AcceptAsync(stop.Token);
        if (await Task.WhenAny(accepted, process.Exited) != accepted) await stop.CancelAsync();
        try
        {
            return await accepted;
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            return null;
        }
    }

    private MachineException Ended(MachineExit exit, string console, Exception cause)
    {
        var words = exit.StandardError.Length > 0 ? exit.StandardError : cause.Message;
        var log = console.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).TakeLast(LastLines);
        var tail = string.Join(" / ", log);
        return new($"{program.FileName} ended at once with status {exit.Status}: {words.TrimEnd('.')}.{(tail.Length > 0 ? $" Its log ends with: {tail}" : "")}", cause);
    }

    /// <summary>What the monitor is told of the host.</summary>
    private sealed record HostPaths(string Root, string Scratch, string Vsock);
}
