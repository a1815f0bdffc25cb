using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Boot;
using RunnerVm.GuestAgent.Native;
using RunnerVm.GuestAgent.Network;
using RunnerVm.GuestAgent.Processes;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Thaw;

/// <summary>A machine with all in place that does not differ from job to job: root, scratch disk, network, cgroups.</summary>
/// <param name="Workspace">Absolute path of the folder the job works in.</param>
/// <param name="Scratch">The scratch disk's top folder, for asking how much room is left; null where there is none.</param>
/// <param name="Cgroups">The job's cgroup, or null where the kernel has none.</param>
/// <param name="Names">The files that will say who the machine is.</param>
internal sealed record PreparedMachine(string Workspace, SafeFileHandle? Scratch, JobCgroup? Cgroups, IdentityFiles Names)
{
    /// <summary>Where scripts are kept while they run; in memory.</summary>
    internal const string ScriptFolder = "/run/runnervm";

    private const int WarmUpSteps = 1_000_000;

    /// <param name="disks">Null in a sandbox.</param>
    /// <exception cref="IOException">Something could not be made; the message says what.</exception>
    /// <exception cref="System.ComponentModel.Win32Exception">Likewise.</exception>
    public static PreparedMachine Make(string workspace, bool withNetwork, Disks? disks, GuestConnection connection)
    {
        if (disks is null) return PreparedSandbox.Make(workspace, withNetwork, connection);
        if (!withNetwork) Loopback.Up();
        // Both wait for the kernel more than they work (disks; grace periods of the network), so they wait together.
        var network = Task.CompletedTask;
        if (withNetwork)
        {
            var space = SocketSteering.OpenNamespace();
            // There is no router; asking for one three times falls into the first seconds of every restored machine.
            _ = KernelFile.TrySet("/proc/sys/net/ipv6/conf/default/router_solicitations", "0");
            network = Task.Run(() => EgressRedirect.Start(connection, space));
        }

        var scratch = JobRoot.Enter(disks, workspace);
        var names = IdentityFiles.Create(withNetwork);
        KernelFile.CreateFolders(ScriptFolder);
        _ = Libc.chmod(ScriptFolder, 0b111_000_000);
        var cgroups = JobCgroup.TryCreate("/sys/fs/cgroup");
        network.GetAwaiter().GetResult();
        if (withNetwork) EgressRedirect.WriteResolverFile();
        return new(workspace, scratch, cgroups, names);
    }

    /// <summary>Of the job's first step; null in a machine that just booted.</summary>
    public WaitingChild? Waiting { get; set; }

    /// <summary>Starts the shell that the first step will most likely ask for, where the image has it and it can wait.</summary>
    /// <param name="candidates">As in an <see cref="ExecRequest"/>.</param>
    public void PrepareShell(string[][] candidates)
    {
        try
        {
            Waiting?.PrepareScript(ScriptFolder, 1);
            var command = CommandChoice.Find(candidates, StepEnvironment.DefaultPath, Workspace, ScriptFile.PathOf(ScriptFolder, 1));
            _ = WaitingShell.Words(StepEnvironment.Complete([])); // Once before, as ThawStep.Rehearse has it.
            Waiting?.BecomeShell(candidates, command, $"{ScriptFolder}/words");
        }
        catch (CannotStartException)
        {
            // The step will say so, if there is one.
        }
    }

    public Workplace ToWorkplace() => new(Workspace, ScriptFolder, Scratch, Cgroups, 0, Waiting);

    /// <summary>For steps before the snapshot: they are counted out of the way of the job's.</summary>
    public Workplace ToWarmUpPlace() => new(Workspace, ScriptFolder, Scratch, Cgroups, WarmUpSteps);
}
