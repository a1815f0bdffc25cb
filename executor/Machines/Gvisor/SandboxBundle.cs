using System.Text.Json;
using System.Text.Json.Serialization;

namespace RunnerVm.Machines.Gvisor;

/// <summary>
/// What a sandbox is made of, in the words of the OCI runtime specification: the agent as its only process, the unpacked
/// root image, the kernel's file systems, and the folder with the socket the agent finds us by.
/// </summary>
internal static class SandboxBundle
{
    public const string SocketName = "socket";

    /// <summary>The agent's own places in the sandbox.</summary>
    private const string AgentPath = "/run/runnervm/agent", HostFolder = "/run/runnervm/host";

    /// <summary>
    /// All of Linux's capabilities but those that reach beyond a machine anyway: they are valid inside the sandbox only,
    /// where the job is as much root as it is in a machine of its own.
    /// </summary>
    private static readonly string[] Capabilities = [.. new[]
    {
        "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID",
        "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN",
        "NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYSLOG", "SYS_ADMIN", "SYS_BOOT",
        "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG",
        "WAKE_ALARM",
    }.Select(static name => "CAP_" + name)];

    /// <summary>Writes config.json into <paramref name="folder"/>.</summary>
    /// <param name="agent">The guest agent's binary on the host.</param>
    /// <param name="hostFolder">Holds the socket, and nothing else.</param>
    public static void Write(string folder, MachineSpec spec, string agent, string hostFolder)
    {
        var capabilities = new OciCapabilities(Capabilities, Capabilities, Capabilities, Capabilities);
        var process = new OciProcess(
            Terminal: false, new(0, 0), [AgentPath], [$"runnervm_socket={HostFolder}/{SocketName}"], "/", capabilities,
            [new("RLIMIT_NOFILE", 1_048_576, 65_536)]);
        OciMount[] mounts =
        [
            new("/proc", "proc", "proc"),
            new("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev"),
            new("/dev/shm", "tmpfs", "tmpfs", "nosuid", "nodev", "mode=1777"),
            new("/run", "tmpfs", "tmpfs", "nosuid", "nodev", "mode=0755"),
            new(AgentPath, "bind", agent, "bind", "ro"),
            new(HostFolder, "bind", hostFolder, "bind", "ro"),
        ];
        var bundle = new OciBundle(
            "1.0.2", process, new(spec.RootImagePath, Readonly: false), spec.Id, mounts,
            new([new("pid"), new("network"), new("ipc"), new("uts"), new("mount")]));
        File.WriteAllBytes(Path.Combine(folder, "config.json"), JsonSerializer.SerializeToUtf8Bytes(bundle, OciJson.Default.OciBundle));
    }
}

internal sealed record OciBundle(
    string OciVersion, OciProcess Process, OciRoot Root, string Hostname, OciMount[] Mounts, OciLinux Linux);

internal sealed record OciProcess(
    bool Terminal, OciUser User, string[] Args, string[] Env, string Cwd, OciCapabilities Capabilities, OciLimit[] Rlimits);

internal sealed record OciUser(int Uid, int Gid);

internal sealed record OciCapabilities(string[] Bounding, string[] Effective, string[] Permitted, string[] Inheritable);

internal sealed record OciLimit(string Type, ulong Hard, ulong Soft);

internal sealed record OciRoot(string Path, bool Readonly);

internal sealed record OciMount(string Destination, string Type, string Source, params string[] Options);

internal sealed record OciLinux(OciNamespace[] Namespaces);

internal sealed record OciNamespace(string Type);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(OciBundle))]
internal sealed partial class OciJson : JsonSerializerContext;
