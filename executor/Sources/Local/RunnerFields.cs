using RunnerVm.Egress;
using RunnerVm.Jobs;
using RunnerVm.Options.Yaml;

namespace RunnerVm.Sources.Local;

/// <summary>The words for a machine and its network, the same wherever people write them.</summary>
internal static class RunnerFields
{
    /// <summary><paramref name="machine"/> with what is written. The map needs the keys executor, isolation, cpus, memory and disk.</summary>
    public static MachineRequest Machine(Fields runner, MachineRequest machine, FileProblems problems)
    {
        var engine = runner.Choice("executor", Vocabulary.Engines, out var named) ? named! : machine.Engine;
        return Size(runner, machine with { Engine = engine, AskedIsolation = Isolation(runner, engine, problems) ?? machine.AskedIsolation });
    }

    /// <summary><paramref name="machine"/> in the size that is written: cpus, memory and disk.</summary>
    public static MachineRequest Size(Fields fields, MachineRequest machine)
    {
        var memory = fields.Size("memory", JobFileLimits.LeastMemory, JobFileLimits.MostMemory);
        return machine with
        {
            Cpus = fields.WholeNumber("cpus", JobFileLimits.LeastCpus, JobFileLimits.MostCpus) ?? machine.Cpus,
            MemoryMib = memory is { } bytes ? JobFileLimits.MebibytesOf(bytes) : machine.MemoryMib,
            DiskBytes = fields.Size("disk", JobFileLimits.LeastDisk, JobFileLimits.MostDisk) ?? machine.DiskBytes,
        };
    }

    /// <summary>What <c>network</c> says; null when it is absent.</summary>
    public static NetworkRequest? Network(Fields runner, FileProblems problems)
    {
        if (runner["network"] is not { } value) return null;
        if (value is YamlText && runner.Choice("network", Vocabulary.Networks, out var named)) return named!;
        if (value is YamlList)
        {
            problems.Add(value.Position, "\"network\" should be none, open, or a map; write the list under \"allow\"");
        }

        if (value is not YamlMap) return null;
        var fields = Fields.Read(value, "\"network\"", Vocabulary.Network, problems)!;
        fields.Choice("mode", Vocabulary.NetworkModes, out var auditOnly);
        return new(NetworkKind.Filtered, Rules(fields, "allow", problems), Rules(fields, "deny", problems), auditOnly);
    }

    /// <summary>Null where nothing is said.</summary>
    private static Isolation? Isolation(Fields runner, string engine, FileProblems problems)
    {
        if (!runner.Choice("isolation", Vocabulary.Isolations, out var isolation)) return null;
        if (engine == "gvisor" && isolation == Jobs.Isolation.Kernel)
        {
            problems.Add(
                runner["isolation"]!.Position,
                "gvisor isolates a process and has no kernel of its own; write process-level, or another executor such as qemu");
        }

        return isolation;
    }

    /// <summary>Null when absent. An empty list is kept: <c>allow: []</c> lets nothing through.</summary>
    private static List<string>? Rules(Fields network, string key, FileProblems problems)
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
