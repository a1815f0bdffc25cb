using System.Text.Json;
using RunnerVm.Vmm.Monitor.Api.Bodies;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Json;

namespace RunnerVm.Vmm.Monitor.Snapshots;

/// <summary>
/// What a machine was made of, as in the state file: the JSON of the API's own objects, read back by the API's own rules.
/// Kernel and console are not in it: the one has been loaded, the other is this process's.
/// </summary>
internal static class SavedConfiguration
{
    public static byte[] Write(VmResources resources) => JsonBody.Write(writer =>
    {
        writer.WriteStartObject();
        Write(writer, "machine-config", resources.Machine, MachineBody.Write);
        Each(writer, "drives", resources.Drives, DriveBody.Write);
        Each(writer, "network-interfaces", resources.NetworkInterfaces, NetworkBody.Write);
        Write(writer, "vsock", resources.Vsock, OtherBodies.Write);
        Write(writer, "balloon", resources.Balloon, BalloonBody.Write);
        Write(writer, "mmds-config", resources.Mmds, NetworkBody.WriteMmds);
        Write(writer, "entropy", resources.Entropy, OtherBodies.Write);
        writer.WriteEndObject();
    });

    /// <summary>With what <paramref name="load"/> puts in the place of some of it.</summary>
    /// <exception cref="VmmFaultException">An override of nothing, or something that is not right on this host.</exception>
    public static VmResources Read(ReadOnlySpan<byte> json, SnapshotLoad load)
    {
        var fields = new JsonFields(JsonBody.Parse(json, "the snapshot's configuration"));
        var machine = MachineBody.ReadWhole(fields.Object("machine-config") ?? throw BadStateException.Damaged("it has no machine-config"));
        var resources = new VmResources().With(machine with { TrackDirtyPages = load.TrackDirtyPages, HugePages = load.HugePages ?? machine.HugePages });
        if (resources.Machine.HugePages == HugePages.TwoMib)
            throw new VmmFaultException("huge_pages: memory that is mapped from a file cannot have reserved pages of 2 MiB. Send huge_pages None.");

        var drives = fields.Items("drives", static (item, path) => DriveBody.Read(new(item, path + ".")));
        var networks = fields.Items("network-interfaces", static (item, path) => NetworkBody.Read(new(item, path + ".")));
        resources = Override(drives, load).Aggregate(resources, static (all, drive) => all.With(drive));
        resources = Override(networks, load).Aggregate(resources, static (all, network) => all.With(network));
        var vsock = fields.Object("vsock") is { } saved ? OtherBodies.ReadVsock(saved) : null;
        if (load.VsockUdsPath is not null && vsock is null) throw new VmmFaultException("vsock_override: the snapshot has no vsock device. Leave it out.");
        if (vsock is not null) resources = resources.With(vsock with { UdsPath = load.VsockUdsPath ?? vsock.UdsPath });
        if (fields.Object("balloon") is { } balloon) resources = resources.With(BalloonBody.Read(balloon));
        if (fields.Object("mmds-config") is { } mmds) resources = resources.With(NetworkBody.ReadMmds(mmds));
        if (fields.Object("entropy") is { } entropy) resources = resources.With(OtherBodies.ReadEntropy(entropy));
        fields.NoOthers();
        return resources;
    }

    private static IEnumerable<Drive> Override(IReadOnlyList<Drive> drives, SnapshotLoad load)
    {
        foreach (var (id, _) in load.DriveOverrides)
        {
            if (drives.All(drive => drive.DriveId != id))
                throw new VmmFaultException($"drive_overrides: the snapshot has no drive {id}. It has: {Names(drives.Select(static drive => drive.DriveId))}.");
        }

        var paths = load.DriveOverrides.ToLookup(static pair => pair.DriveId, static pair => pair.PathOnHost);
        return drives.Select(drive => drive with { PathOnHost = paths[drive.DriveId].LastOrDefault() ?? drive.PathOnHost });
    }

    private static IEnumerable<NetworkInterface> Override(IReadOnlyList<NetworkInterface> networks, SnapshotLoad load)
    {
        foreach (var (id, _) in load.NetworkOverrides)
        {
            if (networks.All(network => network.IfaceId != id))
                throw new VmmFaultException($"network_overrides: the snapshot has no interface {id}. It has: {Names(networks.Select(static network => network.IfaceId))}.");
        }

        var devices = load.NetworkOverrides.ToLookup(static pair => pair.IfaceId, static pair => pair.HostDevName);
        return networks.Select(network => network with { HostDevName = devices[network.IfaceId].LastOrDefault() ?? network.HostDevName });
    }

    private static string Names(IEnumerable<string> names) => string.Join(", ", names.DefaultIfEmpty("none"));

    private static void Write<T>(Utf8JsonWriter writer, string name, T? value, Action<Utf8JsonWriter, T> write)
        where T : class
    {
        if (value is null) return;
        writer.WritePropertyName(name);
        write(writer, value);
    }

    private static void Each<T>(Utf8JsonWriter writer, string name, IReadOnlyList<T> items, Action<Utf8JsonWriter, T> write)
    {
        writer.WriteStartArray(name);
        foreach (var item in items) write(writer, item);
        writer.WriteEndArray();
    }
}
