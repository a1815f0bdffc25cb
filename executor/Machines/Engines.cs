using RunnerVm.Images;
using RunnerVm.Machines.Firecracker;
using RunnerVm.Machines.Gvisor;
using RunnerVm.Machines.Qemu;
using RunnerVm.Store;

namespace RunnerVm.Machines;

/// <summary>The engines of this program, wired; the choice among them is <see cref="EngineChoice"/>'s.</summary>
internal sealed class Engines
{
    public Engines(DataDirectory data, InstallLayout layout, TimeProvider time)
    {
        var facts = new FactCache(data);
        Probe = new RingZeroProbe(layout.Programs, facts, time);
        All =
        [
            new FirecrackerEngine(FirecrackerProgram.Ours(layout.Programs), Probe, facts, time),
            new FirecrackerEngine(FirecrackerProgram.Theirs, Probe, facts, time),
            new QemuEngine(Probe, new QemuProgram(facts), time),
            new GvisorEngine(layout.GuestAgent, new RunscProgram(facts), time),
        ];
        Choice = new EngineChoice(All);
    }

    public RingZeroProbe Probe { get; }

    /// <summary>Best first.</summary>
    public IReadOnlyList<IMachineEngine> All { get; }

    public EngineChoice Choice { get; }
}
