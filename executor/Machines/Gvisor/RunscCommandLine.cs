using System.Globalization;

namespace RunnerVm.Machines.Gvisor;

/// <summary>runsc's arguments, and before them what bounds it: as much of the host's processors and disk as the job asks for.</summary>
internal static class RunscCommandLine
{
    /// <summary>gVisor makes the file behind a sandbox's disk longer by this much at a time.</summary>
    private const long DiskStep = 1L << 30;

    /// <param name="processors">Numbers of the host's processors it may run on.</param>
    /// <param name="diskBytes">Of the file behind the sandbox's disk; rounded up to whole GiB.</param>
    /// <param name="folders">Where the sandbox's own things lie.</param>
    public static (string Program, IReadOnlyList<string> Arguments) Build(
        string runsc, RunscRelease release, MachineSpec spec, IReadOnlyList<int> processors, long diskBytes, SandboxFolders folders)
    {
        var fileSize = (diskBytes + DiskStep - 1) / DiskStep * DiskStep;
        List<string> arguments =
        [
            string.Create(CultureInfo.InvariantCulture, $"--fsize={fileSize}"),
            "taskset", "--cpu-list", string.Join(',', processors),
            runsc, $"--root={folders.State}", "--log-fd=2", $"--platform={release.Platform}",
            // Only loopback; the agent makes the way out of it. Raw sockets are how the packet filter is reached.
            "--network=none", "--net-raw",
            // The job writes to a file of its own, never to the unpacked image; the agent finds us by a socket.
            $"--overlay2={release.Overlay(folders.Disk)}", "--host-uds=open",
            // Cgroups would have to be removed again, which nobody does after a SIGKILL.
            "--ignore-cgroups",
        ];
        if (!Environment.IsPrivilegedProcess) arguments.Add("--rootless");
        arguments.AddRange(["run", $"--bundle={folders.Bundle}", spec.Id]);
        return ("prlimit", arguments);
    }
}

/// <summary>The sandbox's places in its run directory.</summary>
/// <param name="Bundle">config.json.</param>
/// <param name="State">What runsc itself notes down.</param>
/// <param name="Disk">The file behind the sandbox's disk, for the moment in which it has a name.</param>
/// <param name="Host">The socket; mounted into the sandbox until the agent has connected.</param>
internal sealed record SandboxFolders(string Bundle, string State, string Disk, string Host)
{
    public static SandboxFolders Create(string runDirectory)
    {
        string Make(string name) => Directory.CreateDirectory(Path.Combine(runDirectory, name)).FullName;
        return new(Make("bundle"), Make("state"), Make("disk"), Make("host"));
    }
}
