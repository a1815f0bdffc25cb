using System.CommandLine;
using RunnerVm.Jobs;
using RunnerVm.Options;
using RunnerVm.Snapshots;
using RunnerVm.Sources.Local;

namespace RunnerVm.Commands;

/// <summary><c>runnervm exec job.yml</c>: one job from a file, here and now.</summary>
internal static class ExecCommand
{
    private static readonly Argument<string> File = new("job") { Description = "The job file; - reads it from standard input.", DefaultValueFactory = _ => "job.yml" };
    private static readonly Option<string?> Image = new("--image", "-i") { Description = "Image to use instead of the file's." };
    private static readonly Option<string?> Engine = new("--engine") { Description = "auto, qemu, vmm, firecracker or gvisor; wins over 'executor:'." };
    private static readonly Option<int?> Cpus = new("--cpus") { Description = "Virtual CPUs, 1 to 32." };
    private static readonly Option<string?> Memory = new("--memory", "-m") { Description = "Memory, for example 2GB." };
    private static readonly Option<string?> Disk = new("--disk") { Description = "Size of the scratch disk, for example 20GB." };
    private static readonly Option<string?> Timeout = new("--timeout") { Description = "Bound on the whole job, for example 30m." };
    private static readonly Option<string[]> Env = new("--env", "-e") { Description = "NAME=VALUE, or NAME to take it from here. Repeatable." };
    private static readonly Option<string[]> Secret = new("--secret") { Description = "Name of an environment variable to hand over as a secret. Repeatable." };
    private static readonly Option<string?> Workspace = new("--workspace", "-w") { Description = "Folder to copy in; none for an empty one. Default: what the file says, else the current folder." };
    private static readonly Option<string?> Artifacts = new("--artifacts") { Description = "New folder for the artifacts. Default: one of the job's own in the data directory." };
    private static readonly Option<string?> Network = new("--network") { Description = "none or open; wins over the file's." };
    private static readonly Option<string[]> Allow = new("--allow") { Description = "What the job may reach besides: github.com, 10.0.0.0/8:5432, or host:8080 for a port of this host. Repeatable." };
    private static readonly Option<string[]> Dns = new("--dns") { Description = "Address (and :port) of a DNS server to ask instead of this host's. Repeatable." };
    private static readonly Option<bool> Cold = new("--cold") { Description = "Boot the machine, even where a snapshot of its kind is there, and leave none behind." };
    private static readonly Option<bool> Pool = new("--pool") { Description = "Take a machine that waits in a running pool (\"runnervm pool\"); without one start as usual." };
    private static readonly Option<bool> Json = new("--json") { Description = "Print every event as one JSON object a line." };
    private static readonly Option<bool> Timings = new("--timings") { Description = "Print how long each phase took." };
    private static readonly Option<bool> Quiet = new("--quiet", "-q") { Description = "Print the job's output and errors, nothing else." };
    private static readonly Option<bool> Check = new("--check") { Description = "Check the file and stop." };

    public static Command Create()
    {
        var command = new Command("exec", "Run the job in a file, in a machine of its own.")
        {
            File, Image, Engine, Cpus, Memory, Disk, Timeout, Env, Secret, Workspace, Artifacts, Network, Allow, Dns, Cold, Pool, Json, Timings, Quiet, Check,
        };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        var problems = new List<string>();
        var job = Override(JobFile.Load(parsed.GetRequiredValue(File), JobFileContext.FromProcess()), parsed, problems);
        var dns = DnsServerOption.Parse(parsed.GetValue(Dns) ?? [], problems);
        var artifacts = parsed.GetValue(Artifacts) is { } path ? Path.GetFullPath(path) : null;
        if (artifacts is not null && Path.Exists(artifacts)) problems.Add($"--artifacts {artifacts}: it exists already; name a new folder");
        if (parsed.GetValue(Pool) && parsed.GetValue(Cold)) problems.Add("--pool and --cold: a machine of the pool is never a cold one; leave one of the two out");
        if (problems.Count > 0) throw new UserException(ExitCodes.Usage, string.Join('\n', problems));
        if (parsed.GetValue(Check)) return ExitCodes.Ok;

        var session = new ExecSession(new()
        {
            Json = parsed.GetValue(Json),
            Timings = parsed.GetValue(Timings),
            Quiet = parsed.GetValue(Quiet),
            ArtifactsPath = artifacts,
            DnsServers = dns,
            Pool = parsed.GetValue(Pool),
            Snapshots = parsed.GetValue(Cold) ? SnapshotUse.Off : SnapshotSetting.FromEnvironment(),
        });
        return await session.RunAsync(job, cancellationToken);
    }

    /// <summary>What the command line says wins over the file.</summary>
    private static Job Override(Job job, ParseResult parsed, List<string> problems)
    {
        var machine = job.Machine;
        if (parsed.GetValue(Engine) is { } engine) machine = machine with { Engine = engine };
        if (parsed.GetValue(Cpus) is { } cpus)
        {
            if (cpus is < JobFileLimits.LeastCpus or > JobFileLimits.MostCpus) problems.Add($"--cpus {cpus}: expected {JobFileLimits.LeastCpus} to {JobFileLimits.MostCpus}");
            machine = machine with { Cpus = cpus };
        }

        if (Size(parsed, Memory, JobFileLimits.LeastMemory, JobFileLimits.MostMemory, problems) is { } memory)
            machine = machine with { MemoryMib = JobFileLimits.MebibytesOf(memory) };
        if (Size(parsed, Disk, JobFileLimits.LeastDisk, JobFileLimits.MostDisk, problems) is { } disk) machine = machine with { DiskBytes = disk };
        if (parsed.GetValue(Timeout) is { } timeout)
        {
            if (Duration.TryParse(timeout, out var bound, out var problem)) job = job with { Timeout = bound };
            else problems.Add($"--timeout {timeout}: {problem}");
        }

        return job with
        {
            Machine = machine,
            Image = parsed.GetValue(Image) ?? job.Image,
            Environment = ExecVariables.Environment(job, parsed.GetValue(Env) ?? [], problems),
            Secrets = ExecVariables.Secrets(job, parsed.GetValue(Secret) ?? [], problems),
            Workspace = parsed.GetValue(Workspace) switch
            {
                null => job.Workspace,
                "none" => null,
                var folder => new(Path.GetFullPath(folder)),
            },
            Network = ExecNetwork.Override(job.Network, parsed.GetValue(Network), parsed.GetValue(Allow) ?? [], problems),
        };
    }

    private static long? Size(ParseResult parsed, Option<string?> option, long least, long most, List<string> problems)
    {
        if (parsed.GetValue(option) is not { } text) return null;
        if (!ByteSize.TryParse(text, out var bytes, out var problem)) problems.Add($"{option.Name} {text}: {problem}");
        else if (bytes < least || bytes > most) problems.Add($"{option.Name} {text}: expected {ByteSize.Format(least)} to {ByteSize.Format(most)}");
        else return bytes;
        return null;
    }
}
