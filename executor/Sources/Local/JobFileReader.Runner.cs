using RunnerVm.Egress;
using RunnerVm.Jobs;

namespace RunnerVm.Sources.Local;

/// <content>The machine: engine, size, network.</content>
internal sealed partial class JobFileReader
{
    private Fields? ReadRunner(YamlValue value) =>
        value.IsNull ? null : Fields.Read(value, "\"runner\"", Vocabulary.Runner, problems);

    /// <summary><paramref name="job"/> with what <paramref name="runner"/> and the timeout say.</summary>
    private Job ApplyRunner(Fields? runner, Fields jobFields, Job job)
    {
        var timeout = ReadTimeout(jobFields);
        if (runner is not null)
        {
            if (jobFields.Has("timeout") && runner.Has("timeout"))
            {
                problems.Add(runner.PositionOf("timeout"), "\"timeout\" is also under \"job\"; drop one of them");
            }

            timeout ??= ReadTimeout(runner);
            job = job with { Machine = ReadMachine(runner), Network = ReadNetwork(runner) };
        }

        return timeout is { } limit ? job with { Timeout = limit } : job;
    }

    private MachineRequest ReadMachine(Fields runner)
    {
        var machine = new MachineRequest();
        var engine = runner.Choice("executor", Vocabulary.Engines, out var named) ? named! : machine.Engine;
        var memory = runner.Size("memory", JobFileLimits.LeastMemory, JobFileLimits.MostMemory);
        return machine with
        {
            Engine = engine,
            AskedIsolation = ReadIsolation(runner, engine),
            Cpus = runner.WholeNumber("cpus", JobFileLimits.LeastCpus, JobFileLimits.MostCpus) ?? machine.Cpus,
            MemoryMib = memory is { } bytes ? JobFileLimits.MebibytesOf(bytes) : machine.MemoryMib,
            DiskBytes = runner.Size("disk", JobFileLimits.LeastDisk, JobFileLimits.MostDisk) ?? machine.DiskBytes,
            KernelPath = ReadKernel(runner),
        };
    }

    /// <summary>Null where the file does not say.</summary>
    private Isolation? ReadIsolation(Fields runner, string engine)
    {
        if (!runner.Choice("isolation", Vocabulary.Isolations, out var isolation)) return null;
        if (engine == "gvisor" && isolation == Isolation.Kernel)
        {
            problems.Add(
                runner["isolation"]!.Position,
                "gvisor isolates a process and has no kernel of its own; write process-level, or another executor such as qemu");
        }

        return isolation;
    }

    private string? ReadKernel(Fields runner)
    {
        if (runner.Text("kernel") is not { } path) return null;
        var kernel = context.Resolve(path);
        if (!File.Exists(kernel)) problems.Add(runner["kernel"]!.Position, $"\"kernel\": there is no file {Quoted.Path(kernel)}");
        return kernel;
    }

    private NetworkRequest ReadNetwork(Fields runner)
    {
        if (runner["network"] is not { } value) return NetworkRequest.OpenInternet;
        if (value is YamlText && runner.Choice("network", Vocabulary.Networks, out var named)) return named!;
        if (value is YamlList)
        {
            problems.Add(value.Position, "\"network\" should be none, open, or a map; write the list under \"allow\"");
        }

        if (value is not YamlMap) return NetworkRequest.OpenInternet;
        var fields = Fields.Read(value, "\"network\"", Vocabulary.Network, problems)!;
        fields.Choice("mode", Vocabulary.NetworkModes, out var auditOnly);
        return new(NetworkKind.Filtered, ReadRules(fields, "allow"), ReadRules(fields, "deny"), auditOnly);
    }

    /// <summary>Null when absent. An empty list is kept: <c>allow: []</c> lets nothing through.</summary>
    private List<string>? ReadRules(Fields network, string key)
    {
        if (network[key] is not { } value) return null;
        if (value.IsNull || value is YamlMap)
        {
            problems.Add(value.Position, $"\"{key}\" should be a list of rules ([] for none), found {value.Kind}");
            return [];
        }

        var rules = new List<string>();
        foreach (var item in value is YamlList list ? list.Items : [value])
        {
            if (Scalars.Text(item, $"an entry of \"{key}\"", problems) is not { } rule) continue;
            if (NetworkRule.TryParse(rule, out _, out var problem)) rules.Add(rule);
            else problems.Add(item.Position, $"\"{key}\": {Quoted.Text(rule)}: {problem}");
        }

        return rules;
    }
}
