using System.Diagnostics;
using System.Security.Cryptography;
using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Images;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Logs;
using RunnerVm.Machines;

namespace RunnerVm.Tests.Lab;

/// <summary>
/// The lab as a machine of our own engine. QEMU's software CPU emulates AMD's virtualization with nested paging, so KVM
/// inside behaves as on hardware; agent, stream and clean-up are those of every job. Dies with this process.
/// </summary>
internal sealed class MachineLab : Lab
{
    private const string Folder = "/lab";
    private const int MostEntries = 100_000;
    private static readonly TimeSpan BootLimit = TimeSpan.FromMinutes(2);

    /// <summary>
    /// One, for a fault of QEMU's emulated AMD-V (seen with 7.2). VMRUN with an interrupt to inject delivers it, but leaves
    /// its vector in <c>exception_index</c> (helper_vmrun, SVM_EVTINJ_TYPE_INTR). When another thread kicks the processor
    /// before the guest's next exit, and there is no interrupt to take that would clear it, the processor's loop delivers
    /// the vector a second time, whether the guest allows interrupts or not. A guest in the midst of its timer's handler
    /// then stands still for ever (on a lock it holds itself) or, caught before it has its stack and GS, panics.
    /// Processors kick one another whenever one of them has to have the machine for itself, for a locked access that is not
    /// aligned, say; one alone is kicked for interrupts only. With two of them and a program beside the guest that does twenty
    /// such accesses every 20 ms, four of QEMU's own KVM guests of four stood still, interrupts off, in their timer's code,
    /// and five of ours of five; with one processor none did.
    /// </summary>
    private const int Processors = 1;

    /// <summary>The modules lie in the overlay; depmod over twenty of them is quick.</summary>
    private const string LoadKvm = "depmod && modprobe -a kvm-amd tun loop && test -c /dev/kvm";

    private readonly Lease _lease;
    private readonly Machine _machine;
    private readonly GuestSession _guest;

    private MachineLab(Lease lease, Machine machine, GuestSession guest, TimeSpan upTime) =>
        (_lease, _machine, _guest, UpTime) = (lease, machine, guest, upTime);

    public override string Description => "QEMU machine with emulated AMD-V";

    public static async Task<MachineLab> StartAsync(
        LabPlaces places, LabFiles files, LabRequest request, Engines engines, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        var engine = engines.All.First(static e => e.Name == "qemu");
        var ledger = new RunLedger(places.Data, TimeProvider.System);
        await new OrphanSweeper(ledger, TimeProvider.System).SweepAsync(cancellationToken);
        await ImageStore.SweepAsync(places.Data, cancellationToken);

        var started = Stopwatch.GetTimestamp();
        var id = "lab-" + RandomNumberGenerator.GetHexString(6, lowercase: true);
        var lease = ledger.Take(id);
        Machine? machine = null;
        try
        {
            var scratch = Path.Combine(lease.Directory, "scratch");
            await new LabDisk(places.Data, files).CreateAsync(scratch, progress, cancellationToken);
            machine = await engine.StartAsync(Spec(id, lease, files, request, scratch), cancellationToken);
            lease.Record(JobPhase.Running, machine.ProcessId);
            var guest = await ConnectAsync(machine, id, cancellationToken);
            return new(lease, machine, guest, Stopwatch.GetElapsedTime(started));
        }
        catch (Exception e)
        {
            var console = machine?.ConsoleTail.TrimEnd();
            if (machine is not null) await machine.DisposeAsync();
            await lease.DisposeAsync();
            if (e is OperationCanceledException && cancellationToken.IsCancellationRequested) throw;
            throw new UserException(ExitCodes.Failed, $"Cannot bring the lab's machine up: {e.Message} Its console:\n{console}", e);
        }
    }

    public override async Task<int> RunAsync(string script, Func<OutputStream, ReadOnlyMemory<byte>, ValueTask> onOutput, StopRequest stop)
    {
        var result = await RunAsync(_guest, script, onOutput, stop);
        if (result.Error is not null) throw new UserException(ExitCodes.Failed, $"Cannot run the script in the lab: {result.Error}");
        return result.ExitCode ?? 128 + result.Signal!.Value;
    }

    public override async Task SendAsync(string hostFolder, string labFolder, CancellationToken cancellationToken)
    {
        var files = await WorkspaceFiles.ListAsync(new(hostFolder, Everything: true), cancellationToken);
        var archive = new WorkspaceArchive(hostFolder, files);
        await _guest.SendTarAsync(Path.Combine(Folder, labFolder), target => archive.WriteAsync(target, static _ => { }, cancellationToken), cancellationToken);
    }

    public override async Task ReceiveAsync(IReadOnlyList<string> patterns, string hostFolder, CancellationToken cancellationToken)
    {
        var folder = new ArtifactFolder(hostFolder, new(8L << 30, MostEntries));
        await _guest.ReceiveTarAsync(
            new() { Path = Folder, Include = [.. patterns], Exclude = [] }, tar => folder.UnpackAsync(tar, static _ => { }, cancellationToken), cancellationToken);
    }

    public override async ValueTask DisposeAsync()
    {
        await _machine.DisposeAsync();
        await _guest.DisposeAsync();
        await _lease.DisposeAsync();
    }

    /// <summary>mitigations=off: nothing in there is worth protecting from itself, and a software CPU pays for each of them.</summary>
    private static MachineSpec Spec(string id, Lease lease, LabFiles files, LabRequest request, string scratch) => new()
    {
        Id = id,
        RunDirectory = lease.Directory,
        KernelPath = files.Vmlinux,
        InitramfsPath = files.Initramfs,
        RootImagePath = files.LabRoot,
        ScratchDiskPath = scratch,
        Cpus = Processors,
        MemoryMib = request.MemoryMib,
        KernelArguments = ["mitigations=off"],
    };

    private static async Task<GuestSession> ConnectAsync(Machine machine, string id, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(BootLimit);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        var guest = await GuestSession.ConnectAsync(machine.GuestStream, static (_, _) => Task.CompletedTask, patience.Token);
        try
        {
            var identity = new Job { Id = id, Name = id, Image = "lab", Steps = [], Network = new(NetworkKind.None) };
            await guest.ThawAsync(GuestIdentity.For(identity, TimeProvider.System) with { Workspace = Folder }, patience.Token);
            using var stop = new StopRequest(TimeProvider.System, TimeSpan.Zero);
            await using var late = patience.Token.Register(stop.Abandon);
            var said = new StringWriter();
            var loaded = await RunAsync(guest, LoadKvm, (_, bytes) => Keep(said, bytes), stop);
            if (loaded.ExitCode != 0) throw new MachineException($"KVM could not be loaded in it ({LoadKvm}): {said}");
            return guest;
        }
        catch
        {
            await guest.DisposeAsync();
            throw;
        }
    }

    private static ValueTask Keep(StringWriter said, ReadOnlyMemory<byte> bytes)
    {
        said.Write(System.Text.Encoding.UTF8.GetString(bytes.Span));
        return ValueTask.CompletedTask;
    }

    private static Task<ExecResult> RunAsync(
        GuestSession guest, string script, Func<OutputStream, ReadOnlyMemory<byte>, ValueTask> onOutput, StopRequest stop) =>
        guest.ExecAsync(
            new() { Candidates = [["bash", "--noprofile", "--norc", "{0}"]], Script = script, Environment = Variables(Folder), WorkingDirectory = Folder },
            onOutput,
            stop);
}
