using System.Text;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Network;

/// <summary>resolv.conf(5) of the job's root.</summary>
internal static class ResolverFile
{
    /// <summary>Puts a new file in place of whatever has the name: in many images that is a symbolic link to nowhere.</summary>
    public static void Write(string path)
    {
        KernelFile.CreateFolders(path[..path.LastIndexOf('/')]);
        // The host tries its servers twice before it gives up; asking again earlier helps nobody.
        KernelFile.Replace(path, Encoding.ASCII.GetBytes($"nameserver {GuestNetwork.NameServer}\noptions edns0 timeout:10 attempts:1\n"), 0b110_100_100);
    }
}
