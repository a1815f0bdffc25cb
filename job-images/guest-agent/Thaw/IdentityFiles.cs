using System.Text;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Thaw;

/// <summary>
/// hostname(5), hosts(5) and machine-id(5) of the job's root: created when the root is made and filled by thaw, through
/// descriptors that were open before. Making files costs a restored machine more than writing to them, and so does closing them, which
/// they are with the agent.
/// </summary>
internal sealed class IdentityFiles
{
    private readonly bool _network;
    private readonly SafeFileHandle _hostname, _hosts, _machineId;

    private IdentityFiles(bool network)
    {
        KernelFile.CreateFolders("/etc");
        _network = network;
        _hostname = Create("/etc/hostname", 0b110_100_100);
        _hosts = Create("/etc/hosts", 0b110_100_100);
        _machineId = Create("/etc/machine-id", 0b100_100_100);
    }

    /// <param name="network">Whether the machine reaches its host by name.</param>
    public static IdentityFiles Create(bool network) => new(network);

    /// <summary>Once.</summary>
    public void Write(ThawRequest request)
    {
        var hosts = $"127.0.0.1 localhost\n127.0.1.1 {request.Hostname}\n::1 localhost ip6-localhost ip6-loopback\n";
        if (_network) hosts += "198.18.0.1 host host.runnervm.internal\n";
        Fill(_hostname, $"{request.Hostname}\n");
        Fill(_hosts, hosts);
        Fill(_machineId, $"{request.MachineId}\n");
    }

    /// <summary>With something in it, so that the file has its page and its block.</summary>
    private static SafeFileHandle Create(string path, int mode)
    {
        var file = KernelFile.CreateAnew(path, mode);
        KernelFile.WriteAll(file, "\n"u8, path);
        _ = Libc.lseek(file, 0, 0);
        return file;
    }

    private static void Fill(SafeFileHandle file, string text) => KernelFile.WriteAll(file, Encoding.UTF8.GetBytes(text), "an identity file");
}
