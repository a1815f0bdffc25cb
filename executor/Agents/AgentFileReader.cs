using System.Net;
using System.Net.Sockets;
using RunnerVm.Jobs;
using RunnerVm.Options.Yaml;
using RunnerVm.Sources.GitLab;
using RunnerVm.Sources.Local;

namespace RunnerVm.Agents;

/// <summary>From the tree of a configuration to <see cref="AgentOptions"/>. Reports every problem it meets and goes on.</summary>
internal sealed partial class AgentFileReader(AgentFileContext context, FileProblems problems)
{
    /// <summary>The engine of a host that is set up for the purpose. Another one is for whoever writes the file to name.</summary>
    private const string DefaultEngine = "vmm";

    /// <summary>Of the host's memory, what machines get where the file says nothing; the rest is for their monitors and the page cache.</summary>
    private const double DefaultMemoryShare = 0.75;

    /// <summary>Has what GitHub's runner itself needs beside what jobs do.</summary>
    private const string DefaultGitHubImage = "github-runner";

    private const int MostJobs = 1000;

    private const int MostMemoryMib = 16 << 20;

    /// <summary>The defaults of machines, which are part of what each source is.</summary>
    private YamlValue? _runner;

    public AgentOptions Read(YamlValue document)
    {
        var nothing = new AgentOptions { Capacity = new(0, default), Engine = DefaultEngine, Isolation = Isolation.Kernel, GitLab = [], GitHub = [] };
        if (Fields.Read(document, "the configuration", AgentVocabulary.Document, problems) is not { } root) return nothing;

        _runner = root["runner"];
        var runner = root["runner"] is { IsNull: false } value ? Fields.Read(value, "\"runner\"", AgentVocabulary.Runner, problems) : null;
        var machine = new MachineRequest { Engine = DefaultEngine };
        if (runner is not null) machine = RunnerFields.Machine(runner, machine, problems);
        var network = runner is null ? null : RunnerFields.Network(runner, problems);

        var options = nothing with
        {
            Capacity = ReadCapacity(root, machine),
            Engine = machine.Engine,
            Isolation = machine.Isolation,
            WarmFingerprint = YamlFingerprint.Of([_runner, root["images"]]),
            Logs = ReadLogs(root),
            Warm = ReadWarm(root, machine, network ?? NetworkRequest.OpenInternet),
            GitLab = ReadGitLab(root, machine, network ?? NetworkRequest.OpenInternet),
            Listen = ReadListen(root),
            GitHub = ReadGitHub(root, machine, network ?? NetworkRequest.OpenInternet),
        };
        if (!root.Has("gitlab") && !root.Has("github")) problems.Add(root.Position, "there is nowhere to take jobs from; write \"gitlab\" or \"github\" with a list of sources");
        CheckSizes(root, options);
        CheckWarm(root, options);
        return options;
    }

    private IPEndPoint? ReadListen(Fields root)
    {
        if (root.Text("listen") is not { } text) return null;
        if (IPEndPoint.TryParse(text, out var address) && address is { AddressFamily: AddressFamily.InterNetwork, Port: > 0 }) return address;
        problems.Add(root["listen"]!.Position, $"\"listen\" should be an IPv4 address and a port such as 127.0.0.1:9469, found {Quoted.Text(text)}");
        return null;
    }

    private LogLimits ReadLogs(Fields root)
    {
        var limits = new LogLimits();
        if (root["logs"] is not { IsNull: false } value || Fields.Read(value, "\"logs\"", AgentVocabulary.Logs, problems) is not { } fields) return limits;
        return new()
        {
            Jobs = fields.WholeNumber("jobs", 1, 1_000_000) ?? limits.Jobs,
            Age = fields.Time("age", TimeSpan.FromMinutes(1), TimeSpan.FromDays(3650)) ?? limits.Age,
            Bytes = fields.Size("size", 1 << 20, 1L << 50) ?? limits.Bytes,
        };
    }

    private AgentCapacity ReadCapacity(Fields root, MachineRequest machine)
    {
        var fields = root["capacity"] is { IsNull: false } value ? Fields.Read(value, "\"capacity\"", AgentVocabulary.Capacity, problems) : null;
        var memory = fields?.Size("memory", JobFileLimits.LeastMemory, (long)MostMemoryMib << 20) is { } bytes
            ? JobFileLimits.MebibytesOf(bytes)
            : (int)(context.Host.MemoryMib * DefaultMemoryShare);
        var size = new MachineSize(fields?.WholeNumber("cpus", 1, 4096) ?? context.Host.Cpus, memory);
        // As many as fit, where nothing is said: the budget then decides alone.
        var jobs = fields?.WholeNumber("jobs", 1, MostJobs) ?? Math.Clamp(Math.Min(size.Cpus / machine.Cpus, size.MemoryMib / machine.MemoryMib), 1, MostJobs);
        return new(jobs, size);
    }

    private void CheckSizes(Fields root, AgentOptions options)
    {
        foreach (var runner in options.GitLab) CheckSize(root, "gitlab", runner.Name, runner.Images.Largest, options.Capacity.Size);
        foreach (var runner in options.GitHub.SelectMany(static source => source.Runners)) CheckSize(root, "github", runner.Name, MachineSize.Of(runner.Machine.Request), options.Capacity.Size);
    }

    private void CheckSize(Fields root, string key, string name, MachineSize needed, MachineSize capacity)
    {
        if (!needed.FitsInto(capacity)) problems.Add(root.PositionOf(key), $"jobs of \"{name}\" may need {needed}, and \"capacity\" is {capacity}; they would wait for ever");
    }
}
