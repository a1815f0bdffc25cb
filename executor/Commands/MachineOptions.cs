using System.CommandLine;
using RunnerVm.Jobs;
using RunnerVm.Machines;
using RunnerVm.Options;
using RunnerVm.Sources.Local;

namespace RunnerVm.Commands;

/// <summary>The options that name a kind of machine, for commands that make some beside any job.</summary>
internal static class MachineOptions
{
    private static readonly MachineRequest Usual = new();

    private static readonly Option<string> Engine = new("--engine") { Description = "auto, or an engine that makes snapshots.", DefaultValueFactory = static _ => EngineChoice.Auto };
    private static readonly Option<string> Image = new("--image", "-i") { Description = "A recipe below job-images/.", DefaultValueFactory = static _ => "debian-12" };
    private static readonly Option<string?> Kernel = new("--kernel") { Description = "An uncompressed ELF kernel instead of the distribution's." };
    private static readonly Option<int> Cpus = new("--cpus") { Description = "Virtual CPUs, 1 to 32.", DefaultValueFactory = static _ => Usual.Cpus };
    private static readonly Option<string> Memory = new("--memory", "-m") { Description = "Memory, for example 2GB.", DefaultValueFactory = static _ => $"{Usual.MemoryMib}MiB" };
    private static readonly Option<string> Disk = new("--disk") { Description = "Size of the scratch disk, for example 20GB.", DefaultValueFactory = static _ => ByteSize.Format(Usual.DiskBytes) };
    private static readonly Option<string> Network = new("--network") { Description = "open or none.", DefaultValueFactory = static _ => "open" };

    private static readonly Option<string[]> ReadOnlyDisks = new("--read-only-disk") { Description = "NAME=FILE: an erofs file that is below /opt/NAME in the machine." };

    public static void AddTo(Command command)
    {
        foreach (var option in (Option[])[Engine, Image, Kernel, Cpus, Memory, Disk, ReadOnlyDisks, Network]) command.Options.Add(option);
    }

    /// <summary>The options that name the kind of a job's machine.</summary>
    public static IReadOnlyList<string> Arguments(Job job, string engine) =>
    [
        Engine.Name, engine, Image.Name, job.Image, Cpus.Name, $"{job.Machine.Cpus}",
        Memory.Name, $"{job.Machine.MemoryMib}MiB", Disk.Name, ByteSize.Format(job.Machine.DiskBytes),
        Network.Name, job.Network.Kind == NetworkKind.None ? "none" : "open",
        .. job.Disks.SelectMany(static disk => (string[])[ReadOnlyDisks.Name, $"{disk.Name}={disk.Path}"]),
        .. job.Machine.KernelPath is { } kernel ? (string[])[Kernel.Name, kernel] : [],
    ];

    /// <summary>A job that only says what machine it wants.</summary>
    public static Job Job(ParseResult parsed) => new()
    {
        Id = "nobody",
        Name = "nobody",
        Image = parsed.GetRequiredValue(Image),
        Steps = [],
        Disks = [.. (parsed.GetValue(ReadOnlyDisks) ?? []).Select(ParseDisk)],
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

    private static JobDisk ParseDisk(string text) => text.Split('=', 2) is [{ Length: > 0 and <= 16 } name, { Length: > 0 } path] && name.All(static c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-')
        ? new(name, Path.GetFullPath(path))
        : throw new UserException(ExitCodes.Usage, $"{ReadOnlyDisks.Name} {text}: it should be NAME=FILE, the name of at most 16 lower-case letters, digits and dashes");

    private static long Size(ParseResult parsed, Option<string> option) => ByteSize.TryParse(parsed.GetRequiredValue(option), out var bytes, out var problem)
        ? bytes
        : throw new UserException(ExitCodes.Usage, $"{option.Name} {parsed.GetRequiredValue(option)}: {problem}");
}
