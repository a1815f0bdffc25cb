using System.CommandLine;
using RunnerVm.Guests;
using RunnerVm.Images;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Logs;
using RunnerVm.Machines;
using RunnerVm.Options;
using RunnerVm.Snapshots;
using RunnerVm.Sources.Local;
using RunnerVm.Store;

namespace RunnerVm.Commands;

/// <summary><c>runnervm snapshot create</c>: what <c>exec</c> has done behind its back after the first job of a kind.</summary>
internal static class SnapshotCreateCommand
{
    private static readonly MachineRequest Usual = new();
    private static readonly Option<string> Engine = new("--engine") { Description = "auto, or an engine that makes snapshots.", DefaultValueFactory = static _ => EngineChoice.Auto };
    private static readonly Option<string> Image = new("--image", "-i") { Description = "A recipe below job-images/.", DefaultValueFactory = static _ => "debian-12" };
    private static readonly Option<string?> Kernel = new("--kernel") { Description = "An uncompressed ELF kernel instead of the distribution's." };
    private static readonly Option<int> Cpus = new("--cpus") { Description = "Virtual CPUs, 1 to 32.", DefaultValueFactory = static _ => Usual.Cpus };
    private static readonly Option<string> Memory = new("--memory", "-m") { Description = "Memory, for example 2GB.", DefaultValueFactory = static _ => $"{Usual.MemoryMib}MiB" };
    private static readonly Option<string> Disk = new("--disk") { Description = "Size of the scratch disk, for example 20GB.", DefaultValueFactory = static _ => ByteSize.Format(Usual.DiskBytes) };
    private static readonly Option<string> Network = new("--network") { Description = "open or none.", DefaultValueFactory = static _ => "open" };

    public static Command Create()
    {
        var command = new Command("create", "Make the snapshot of a kind of machine now. Otherwise the first job of the kind has it made.")
        {
            Engine, Image, Kernel, Cpus, Memory, Disk, Network,
        };
        command.SetAction(RunAsync);
        return command;
    }

    /// <summary>The command line that makes what a job of this kind starts from.</summary>
    public static IReadOnlyList<string> Arguments(Job job, string engine) =>
    [
        "snapshot", "create", Engine.Name, engine, Image.Name, job.Image, Cpus.Name, $"{job.Machine.Cpus}",
        Memory.Name, $"{job.Machine.MemoryMib}MiB", Disk.Name, ByteSize.Format(job.Machine.DiskBytes),
        Network.Name, job.Network.Kind == NetworkKind.None ? "none" : "open",
        .. job.Machine.KernelPath is { } kernel ? (string[])[Kernel.Name, kernel] : [],
    ];

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        var (data, layout, time) = (DataDirectory.FromEnvironment(), InstallLayout.FromEnvironment(), TimeProvider.System);
        var (ledger, store) = (new RunLedger(data, time), new SnapshotStore(data, time));
        await using var log = new JobLog(new ConsoleSink(ConsoleSettings.ForProcess()), new SecretMasker([]), time);
        foreach (var swept in await new OrphanSweeper(ledger, time).SweepAsync(cancellationToken)) await log.NoticeAsync(swept.ToString());
        var job = Job(parsed);
        var chosen = await new Engines(data, layout, time).Choice.ChooseAsync(job.Machine.Engine, Isolation.Kernel, mayFallBack: false, cancellationToken);
        if (chosen.Engine is not ISnapshottingEngine engine)
            throw new UserException(ExitCodes.Failed, $"Engine {chosen.Engine.Name} makes no snapshots: its machines always boot.");
        try
        {
            var files = await new MachineFileStore(data, layout, time).PrepareAsync(job, log, cancellationToken);
            var maker = new SnapshotMaker(store, ledger, new ScratchDisks(data, time), time);
            var made = await maker.MakeAsync(engine, MachineKind.Of(job, files), cancellationToken);
            Console.Out.WriteLine(made.Name);
            return ExitCodes.Ok;
        }
        catch (Exception e) when (e is MachineException or IOException or GuestFailedException)
        {
            throw new UserException(ExitCodes.Failed, $"Cannot make a snapshot: {e.Message}", e);
        }
    }

    /// <summary>A job that only says what machine it wants.</summary>
    private static Job Job(ParseResult parsed) => new()
    {
        Id = "snapshot",
        Name = "snapshot",
        Image = parsed.GetRequiredValue(Image),
        Steps = [],
        Network = new(parsed.GetRequiredValue(Network) == "none" ? NetworkKind.None : NetworkKind.Filtered),
        Machine = new()
        {
            Engine = parsed.GetRequiredValue(Engine),
            KernelPath = parsed.GetValue(Kernel),
            Cpus = parsed.GetValue(Cpus),
            MemoryMib = JobFileLimits.MebibytesOf(Size(parsed, Memory)),
            DiskBytes = Size(parsed, Disk),
        },
    };

    private static long Size(ParseResult parsed, Option<string> option) => ByteSize.TryParse(parsed.GetRequiredValue(option), out var bytes, out var problem)
        ? bytes
        : throw new UserException(ExitCodes.Usage, $"{option.Name} {parsed.GetRequiredValue(option)}: {problem}");
}
