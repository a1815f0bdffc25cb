using RunnerVm.Jobs;

namespace RunnerVm.Agents;

/// <summary>Machines an agent keeps waiting, of one kind.</summary>
/// <param name="Count">So many.</param>
internal sealed record WarmImage(string Image, MachineRequest Machine, NetworkRequest Network, int Count)
{
    /// <summary>A job that only says what machine it wants.</summary>
    public Job ToJob() => new() { Id = "warm", Name = "warm", Image = Image, Machine = Machine, Network = Network, Steps = [] };
}
