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
        // Blocking reads and writes sit on pool threads; with one CPU the pool would start with one and grow slowly.
        ThreadPool.SetMinThreads(8, 2);
        Mounts.MountKernelFileSystems();
        AgentConsole.Open();
        KernelModules.Load("virtio_mmio");
        // Disks and stream wait for their devices, so they wait together.
        var root = Task.Run(static () => Disks.MountRoot());
        var stream = StreamTransport.Open();
        ProcessDefaults.Apply();
        var disks = root.GetAwaiter().GetResult();
        return ServeAsync(stream, disks, started).GetAwaiter().GetResult();
    }

    private static async Task<string?> ServeAsync(Stream stream, Disks disks, long started)
    {
        var bootTime = Stopwatch.GetElapsedTime(started);
        await using var connection = await GuestConnection.OpenAsync(stream, Role.Guest, "runnervm-guest-agent", CancellationToken.None);
        var dispatch = new ChannelDispatch(connection, disks, bootTime, new ChildReaper(reapOrphans: true));
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
