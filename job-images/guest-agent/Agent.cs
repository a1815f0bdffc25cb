using System.Diagnostics;
using RunnerVm.GuestAgent.Boot;
using RunnerVm.GuestAgent.Channels;
using RunnerVm.GuestAgent.Processes;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent;

/// <summary>The life of PID 1: boot, say hello, serve the host's channels until it is gone.</summary>
internal static class Agent
{
    /// <param name="started">Stopwatch timestamp of the program's first line.</param>
    /// <returns>Why the machine ends, for the console; null when the host simply went away.</returns>
    public static string? Run(long started)
    {
        if (Sandbox.IsOurs) AgentConsole.OpenStandardOutput();
        var disks = Sandbox.IsOurs ? null : BootMachine();
        var stream = StreamTransport.Open();
        ProcessDefaults.Apply();
        return ServeAsync(stream, disks, started).GetAwaiter().GetResult();
    }

    private static Disks BootMachine()
    {
        Mounts.MountKernelFileSystems();
        AgentConsole.Open();
        // The stream's device is set up by messages, which go to and fro while the disks are looked for.
        KernelModules.Load("virtio_mmio", StreamTransport.Driver);
        return Disks.MountReadOnly();
    }

    private static async Task<string?> ServeAsync(DescriptorStream stream, Disks? disks, long started)
    {
        var bootTime = Stopwatch.GetElapsedTime(started);
        await using var connection = await GuestConnection.OpenAsync(stream, Role.Guest, "runnervm-guest-agent", CancellationToken.None);
        var dispatch = new ChannelDispatch(new HostLink(stream, connection), disks, bootTime, new ChildReaper(reapOrphans: true));
        await dispatch.RunAsync();
        try
        {
            await connection.Completion;
            return null;
        }
        catch (ProtocolException e)
        {
            return e.Message;
        }
    }
}
