using System.Diagnostics;
using System.Text;
using RunnerVm.GuestAgent.Boot;
using RunnerVm.GuestAgent.Native;
using RunnerVm.GuestAgent.Network;
using RunnerVm.GuestAgent.Processes;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Thaw;

/// <summary>Makes a booted or restored machine itself: clock, entropy, name, disks, root, network. Runs once.</summary>
internal static class ThawStep
{
    public const string ScriptFolder = "/run/runnervm";

    /// <param name="received">Stopwatch timestamp of the request's arrival.</param>
    /// <param name="disks">Null in a sandbox.</param>
    /// <returns>The answer for the host, and the workplace unless it carries an error.</returns>
    public static (ThawResult Result, Workplace? Workplace) Run(ThawRequest request, long received, Disks? disks, GuestConnection connection, TimeSpan bootTime)
    {
        var started = Stopwatch.GetTimestamp();
        var result = new ThawResult { KernelRelease = Identity.KernelRelease(), BootMilliseconds = bootTime.TotalMilliseconds };
        try
        {
            if (disks is null)
            {
                var sandboxed = SandboxThaw.Run(request, connection);
                return (result with { ThawMilliseconds = Stopwatch.GetElapsedTime(started).TotalMilliseconds }, sandboxed);
            }

            // What the request has waited here since it came is part of the time by now.
            Identity.SetClock(request.UnixTimeNanoseconds + (long)Stopwatch.GetElapsedTime(received).TotalNanoseconds);
            Identity.CreditEntropy(request.Entropy);
            if (!request.Network) Loopback.Up();
            // Both wait for the kernel more than they work (disks; grace periods of the network), so they wait together.
            var network = Task.CompletedTask;
            if (request.Network)
            {
                var space = SocketSteering.OpenNamespace();
                network = Task.Run(() => EgressRedirect.Start(connection, space));
            }

            var workplace = Prepare(request, disks);
            network.GetAwaiter().GetResult();
            if (request.Network) EgressRedirect.WriteResolverFile();
            return (result with { ThawMilliseconds = Stopwatch.GetElapsedTime(started).TotalMilliseconds }, workplace);
        }
        catch (Exception e) when (e is IOException or System.ComponentModel.Win32Exception)
        {
            return (result with { Error = e.Message }, null);
        }
    }

    private static Workplace Prepare(ThawRequest request, Disks disks)
    {
        Identity.SetHostname(request.Hostname);
        var scratch = JobRoot.Enter(disks, request.Workspace);
        WriteIdentityFiles(request);
        KernelFile.CreateFolders(ScriptFolder);
        _ = Libc.chmod(ScriptFolder, 0b111_000_000);
        return new(request.Workspace, ScriptFolder, scratch, JobCgroup.TryCreate("/sys/fs/cgroup"));
    }

    internal static void WriteIdentityFiles(ThawRequest request)
    {
        KernelFile.CreateFolders("/etc");
        var hosts = $"127.0.0.1 localhost\n127.0.1.1 {request.Hostname}\n::1 localhost ip6-localhost ip6-loopback\n";
        if (request.Network) hosts += "198.18.0.1 host host.runnervm.internal\n";
        KernelFile.Replace("/etc/hostname", Encoding.UTF8.GetBytes($"{request.Hostname}\n"), 0b110_100_100);
        KernelFile.Replace("/etc/hosts", Encoding.UTF8.GetBytes(hosts), 0b110_100_100);
        KernelFile.Replace("/etc/machine-id", Encoding.UTF8.GetBytes($"{request.MachineId}\n"), 0b100_100_100);
    }
}
