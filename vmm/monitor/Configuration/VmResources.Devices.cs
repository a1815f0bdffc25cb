using RunnerVm.Vmm.Monitor.Control;

namespace RunnerVm.Vmm.Monitor.Configuration;

internal sealed partial record VmResources
{
    /// <summary>sun_path has 108 bytes with its zero.</summary>
    public const int MostSocketPath = 107;

    /// <summary>Adds it, or takes the place of the one with its id. A root device is first, whenever it came.</summary>
    public VmResources With(Drive drive)
    {
        var drives = Drives.ToList();
        var index = drives.FindIndex(other => other.DriveId == drive.DriveId);
        if (drive.IsRootDevice && drives.FindIndex(static other => other.IsRootDevice) is >= 0 and var root && root != index)
            throw new VmmFaultException($"is_root_device: drive {drives[root].DriveId} is the root device already. Only one can be.");
        HostFiles.MustBeDisk("path_on_host", drive.PathOnHost ?? "", !drive.IsReadOnly);
        if (index < 0) drives.Insert(drive.IsRootDevice ? 0 : drives.Count, drive);
        else drives[index] = drive;
        if (drive.IsRootDevice && index > 0) (drives[0], drives[index]) = (drives[index], drives[0]);
        return this with { Drives = drives };
    }

    /// <summary>Adds it, or replaces the one with its id, which is then the last.</summary>
    public VmResources With(NetworkInterface network)
    {
        if (network.GuestMac is { } mac && NetworkInterfaces.FirstOrDefault(other => other.GuestMac == mac && other.IfaceId != network.IfaceId) is { } holder)
            throw new VmmFaultException($"guest_mac: {mac} is {holder.IfaceId}'s already. Give each interface its own.");
        return this with { NetworkInterfaces = [.. NetworkInterfaces.Where(other => other.IfaceId != network.IfaceId), network] };
    }

    /// <summary>The socket is bound when the machine starts; what already stands in its way is said now.</summary>
    public VmResources With(Vsock vsock)
    {
        CheckSocketPath("uds_path", vsock.UdsPath);
        if (Path.Exists(vsock.UdsPath))
            throw new VmmFaultException($"uds_path: {vsock.UdsPath} exists already. Remove it if no other machine uses it, or give another path.");
        return this with { Vsock = vsock };
    }

    public VmResources With(Entropy entropy) => this with { Entropy = entropy };

    public VmResources With(Serial serial)
    {
        if (serial.SerialOutPath is { } path) HostFiles.MustBePath("serial_out_path", path);
        return this with { Serial = serial };
    }

    public VmResources With(MmdsConfiguration mmds)
    {
        foreach (var id in mmds.NetworkInterfaces)
        {
            if (NetworkInterfaces.All(network => network.IfaceId != id))
                throw new VmmFaultException($"network_interfaces: there is no interface {id}. Send PUT /network-interfaces/{id} first.");
        }

        return this with { Mmds = mmds };
    }

    /// <summary>Nothing is too long for the kernel and nothing is cut short silently.</summary>
    public static void CheckSocketPath(string field, string path)
    {
        HostFiles.MustBePath(field, path);
        var length = System.Text.Encoding.UTF8.GetByteCount(path);
        if (length > MostSocketPath)
            throw new VmmFaultException($"{field}: a Unix socket's path may have {MostSocketPath} bytes; {path} has {length}. Use a shorter one, or a relative one.");
    }
}
