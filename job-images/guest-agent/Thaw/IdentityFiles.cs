using System.Text;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Thaw;

/// <summary>
/// hostname(5), hosts(5) and machine-id(5) of the job's root: created when the root is made and filled by thaw, through
/// descriptors that stay open until then. Making files costs a restored machine more than writing to them.
/// </summary>
internal sealed class IdentityFiles
{
    private readonly bool _network;
    private readonly SafeFileHandle _hostname, _hosts, _machineId;

    private IdentityFiles(bool network)
    {
        KernelFile.CreateFolders("/etc");
        _network = network;
        _hostname = KernelFile.CreateAnew("/etc/hostname", 0b110_100_100);
        _hosts = KernelFile.CreateAnew("/etc/hosts", 0b110_100_100);
        _machineId = KernelFile.CreateAnew("/etc/machine-id", 0b100_100_100);
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

    private static void Fill(SafeFileHandle file, string text)
    {
        using var owned = file;
        KernelFile.WriteAll(file, Encoding.UTF8.GetBytes(text), "an identity file");
    }
}
