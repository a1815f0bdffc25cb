using RunnerVm.Jobs;
using RunnerVm.Options.Yaml;
using RunnerVm.Sources.Local;

namespace RunnerVm.Agents;

/// <content>Machines that wait.</content>
internal sealed partial class AgentFileReader
{
    private const int MostWarm = 200;

    private List<WarmImage> ReadWarm(Fields root, MachineRequest machine, NetworkRequest network)
    {
        var warm = new List<WarmImage>();
        if (root["images"] is not { IsNull: false } value) return warm;
        if (value is not YamlList list)
        {
            problems.Add(value.Position, "\"images\" should be a list, each entry with \"image\" and \"warm\"");
            return warm;
        }

        foreach (var item in list.Items)
        {
            if (Fields.Read(item, "an entry of \"images\"", AgentVocabulary.WarmImage, problems) is not { } fields) continue;
            var count = fields.WholeNumber("warm", 1, MostWarm);
            if (count is null && fields["warm"] is null) problems.Add(item.Position, "\"warm\" is missing: how many machines of this kind wait for jobs");
            if (count is { } wanted)
                warm.Add(new(fields.Text("image") ?? DefaultImage, RunnerFields.Size(fields, machine), RunnerFields.Network(fields, problems) ?? network, wanted));
        }

        return warm;
    }

    /// <summary>Machines that wait may come to need all of their memory, as those at work do.</summary>
    private void CheckWarm(Fields root, AgentOptions options)
    {
        var needed = options.Warm.Sum(static w => (long)w.Machine.MemoryMib * w.Count);
        if (needed > options.Capacity.Size.MemoryMib)
            problems.Add(root.PositionOf("images"), $"the machines that wait may need {needed} MiB, and \"capacity\" is {options.Capacity.Size}; keep fewer, or smaller ones");
        if (options.Warm.Count > 0 && options.Engine == "gvisor")
            problems.Add(root.PositionOf("images"), "no machine waits on gvisor, which makes no snapshots; take \"warm\" out");
    }
}
