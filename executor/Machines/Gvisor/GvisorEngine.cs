using System.Net.Sockets;
using RunnerVm.Jobs;

namespace RunnerVm.Machines.Gvisor;

/// <summary>
/// No machine but a process in gVisor's sandbox: its system calls are answered by a kernel written in Go, which has a few
/// of the host's for itself. Near-native speed where KVM is missing, at the price of that wall. The same agent serves the
/// same stream over a Unix socket.
/// </summary>
/// <param name="agent">The guest agent's binary.</param>
internal sealed class GvisorEngine(string agent, RunscProgram program, TimeProvider time) : IMachineEngine
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);

    private readonly StarterThread _starter = new();

    public string Name => "gvisor";

    public Isolation Isolation => Isolation.Process;

    public bool BootsKernel => false;

    public async Task<EngineAvailability> CheckAvailabilityAsync(CancellationToken cancellationToken)
    {
        if (program.Find() is not { } path) return new(false, "", $"{RunscProgram.Name} is not in PATH", RunscProgram.HowToInstall);
        foreach (var tool in (string[])["setpriv", "taskset"])
            if (ProgramSearch.Find(tool) is null) return new(false, "", $"{tool} is not in PATH", "Install it: apt-get install util-linux");
        var release = await program.ReleaseAsync(path, cancellationToken);
        var rights = Environment.IsPrivilegedProcess ? "as root" : "rootless";
        return new(true, $"runsc {release} ({release.Platform}, {rights})", Caution: release.RefusesNoAutomount
            ? "ls and stat of newer images fail in it with \"Invalid argument\", for this release refuses AT_NO_AUTOMOUNT"
            : null);
    }

    public async Task<Machine> StartAsync(MachineSpec spec, CancellationToken cancellationToken)
    {
        var path = program.Find()
            ?? throw new MachineException($"Cannot start gVisor: {RunscProgram.Name} is not in PATH. {RunscProgram.HowToInstall}.");
        if (spec.Disks.Count > 0)
            throw new MachineException($"Cannot start gVisor with the disk {spec.Disks[0].Name}: a sandbox has no disks beside its image. Name another executor for such jobs, for example qemu.");
        var release = await program.ReleaseAsync(path, cancellationToken);
        // Of the scratch disk only the size is wanted: the root is written to by way of a file of runsc's own.
        var diskBytes = new FileInfo(spec.ScratchDiskPath).Length;
        File.Delete(spec.ScratchDiskPath);
        var folders = SandboxFolders.Create(spec.RunDirectory);
        SandboxBundle.Write(folders.Bundle, spec, agent, folders.Host);

        using var socket = RunSocket.Listen(Path.Combine(folders.Host, SandboxBundle.SocketName));
        var (wrapper, arguments) = RunscCommandLine.Build(path, release, spec, HostCpus.Choose(spec.Cpus), diskBytes, folders);
        var process = await EngineProcess.StartAsync(_starter, wrapper, arguments);
        try
        {
            return new SandboxMachine(process, await ConnectAsync(process, socket, cancellationToken), spec, time);
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    /// <summary>The agent's connection; or why the sandbox ended instead.</summary>
    private async Task<Stream> ConnectAsync(EngineProcess process, RunSocket socket, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(StartLimit, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var connected = socket.AcceptAsync(stop.Token);
        if (await Task.WhenAny(connected, process.Exited) != connected) await stop.CancelAsync();
        try
        {
            return await connected;
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (deadline.IsCancellationRequested) throw new MachineException($"gVisor's sandbox did not start within {StartLimit.TotalSeconds} seconds.", e);
            var exit = await process.Exited;
            throw new MachineException($"runsc ended at once with status {exit.Status}: {exit.StandardError.Trim().Split('\n')[^1].TrimEnd('.')}.", e);
        }
    }
}
