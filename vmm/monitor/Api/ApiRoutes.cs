using RunnerVm.Vmm.Monitor.Api.Bodies;
using RunnerVm.Vmm.Monitor.Api.Http;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Mmds;

namespace RunnerVm.Vmm.Monitor.Api;

/// <summary>From a request to an action: every path and method there is. Nothing is done here, and the body is checked whole.</summary>
internal static class ApiRoutes
{
    private const string Pmem = "pmem devices are not here. Use PUT /drives.";
    private const string MemoryHotPlug = "Memory cannot be plugged in here. Use mem_size_mib of PUT /machine-config, and PUT /balloon to take back what is not needed.";
    private const string Hinting = "Free page hinting is not here. Set free_page_reporting with PUT /balloon.";
    private const string Unplugging = "Devices cannot be taken out of a machine here: that takes PCI.";

    /// <exception cref="VmmFaultException">With what is wrong and what would be right.</exception>
    public static ParsedRequest Parse(ApiRequest request)
    {
        if (request.Method is RequestMethod.Get or RequestMethod.Delete && request.HasBody)
            throw new VmmFaultException($"{HttpRequest.Name(request.Method)} request cannot have a body.");
        return request.Method switch
        {
            RequestMethod.Get => Get(request),
            RequestMethod.Put => Put(request),
            RequestMethod.Patch => Patch(request),
            _ => request.Resource is "drives" or "network-interfaces" or "pmem" ? new VmmAction.NotHere(Unplugging) : throw Unknown(request),
        };
    }

    private static VmmAction Get(ApiRequest request) => (request.Resource, request.Rest) switch
    {
        ("", null) => new VmmAction.GetInstance(),
        ("version", null) => new VmmAction.GetVersion(),
        ("vm", "config") => new VmmAction.GetConfiguration(),
        ("machine-config", null) => new VmmAction.GetMachine(),
        ("balloon", null) => new VmmAction.GetBalloon(),
        ("balloon", "statistics") => new VmmAction.GetBalloonStatistics(),
        ("balloon", "hinting/status") => new VmmAction.NotHere(Hinting),
        ("mmds", null) => new VmmAction.GetMetadata(),
        ("hotplug", "memory") => new VmmAction.NotHere(MemoryHotPlug),
        _ => throw Unknown(request),
    };

    private static ParsedRequest Put(ApiRequest request)
    {
        if (!request.HasBody) throw new VmmFaultException("Empty PUT request.");
        return (request.Resource, request.Rest) switch
        {
            ("actions", null) => ActionBody.Read(request.Fields()),
            ("balloon", null) => new VmmAction.SetBalloon(BalloonBody.Read(request.Fields())),
            ("boot", null) => new VmmAction.Boot(WholeMachine.ReadBoot(request.Fields())),
            ("boot-source", null) => new VmmAction.SetBootSource(MachineBody.ReadBootSource(request.Fields())),
            ("cpu-config", null) => new VmmAction.SetCpu(CpuBody.Read(request.Fields())),
            ("drives", var id) => PutDrive(request, ResourceId.Check(id)),
            ("entropy", null) => new VmmAction.SetEntropy(OtherBodies.ReadEntropy(request.Fields())),
            ("logger", null) => new VmmAction.ConfigureLogger(OtherBodies.ReadLogger(request.Fields())),
            ("machine-config", null) => PutMachine(request),
            ("metrics", null) => new VmmAction.ConfigureMetrics(OtherBodies.ReadMetrics(request.Fields())),
            ("mmds", null) => new VmmAction.PutMetadata(request.Json()),
            ("mmds", "config") => PutMetadataService(request),
            ("network-interfaces", var id) => PutNetworkInterface(request, ResourceId.Check(id)),
            ("serial", null) => new VmmAction.SetSerial(OtherBodies.ReadSerial(request.Fields())),
            ("vsock", null) => PutVsock(request),
            ("snapshot", "create") => new VmmAction.CreateSnapshot(SnapshotBody.ReadCreate(request.Fields())),
            ("snapshot", "load") => LoadSnapshot(request),
            ("snapshot", null) => throw new VmmFaultException("Missing snapshot operation type: send PUT /snapshot/create or PUT /snapshot/load."),
            ("pmem", _) => new VmmAction.NotHere(Pmem),
            ("hotplug", "memory") => new VmmAction.NotHere(MemoryHotPlug),
            _ => throw Unknown(request),
        };
    }

    private static ParsedRequest Patch(ApiRequest request)
    {
        if ((request.Resource, request.Rest) is ("balloon", "hinting/start" or "hinting/stop")) return new VmmAction.NotHere(Hinting);
        if (!request.HasBody) throw new VmmFaultException("Empty PATCH request.");
        return (request.Resource, request.Rest) switch
        {
            ("balloon", null) => new VmmAction.UpdateBalloon(BalloonBody.ReadAmountOnly(request.Fields())),
            ("balloon", "statistics") => new VmmAction.UpdateBalloonStatistics(BalloonBody.ReadInterval(request.Fields())),
            ("drives", var id) => PatchDrive(request, ResourceId.Check(id)),
            ("machine-config", null) => PatchMachine(request),
            ("mmds", null) => new VmmAction.PatchMetadata(request.Json()),
            ("network-interfaces", var id) => PatchNetworkInterface(request, ResourceId.Check(id)),
            ("vm", null) => ActionBody.ReadState(request.Fields()),
            ("pmem", _) => new VmmAction.NotHere(Pmem),
            ("hotplug", "memory") => new VmmAction.NotHere(MemoryHotPlug),
            _ => throw Unknown(request),
        };
    }

    private static VmmAction PutDrive(ApiRequest request, string id)
    {
        var drive = DriveBody.Read(request.Fields());
        ResourceId.MustMatch(id, drive.DriveId, "drive_id");
        return new VmmAction.InsertDrive(drive);
    }

    private static VmmAction PatchDrive(ApiRequest request, string id)
    {
        var update = DriveBody.ReadUpdate(request.Fields());
        ResourceId.MustMatch(id, update.DriveId, "drive_id");
        return update;
    }

    private static VmmAction PutNetworkInterface(ApiRequest request, string id)
    {
        var network = NetworkBody.Read(request.Fields());
        ResourceId.MustMatch(id, network.IfaceId, "iface_id");
        return new VmmAction.InsertNetworkInterface(network);
    }

    private static VmmAction PatchNetworkInterface(ApiRequest request, string id)
    {
        var update = NetworkBody.ReadUpdate(request.Fields());
        ResourceId.MustMatch(id, update.IfaceId, "iface_id");
        return update;
    }

    private static ParsedRequest PutMachine(ApiRequest request)
    {
        var fields = request.Fields();
        return new(new VmmAction.UpdateMachine(MachineBody.ReadWhole(fields)), TemplateIsDeprecated(fields, "PUT"));
    }

    private static ParsedRequest PatchMachine(ApiRequest request)
    {
        var fields = request.Fields();
        if (!fields.Any) throw new VmmFaultException("Empty PATCH request.");
        return new(new VmmAction.UpdateMachine(MachineBody.Read(fields)), TemplateIsDeprecated(fields, "PATCH"));
    }

    private static ParsedRequest PutMetadataService(ApiRequest request)
    {
        var mmds = NetworkBody.ReadMmds(request.Fields());
        return new(new VmmAction.SetMetadataService(mmds), mmds.Version == MmdsVersion.V1 ? "PUT /mmds/config: V1 is deprecated. Use V2 instead." : null);
    }

    private static ParsedRequest PutVsock(ApiRequest request)
    {
        var vsock = OtherBodies.ReadVsock(request.Fields());
        return new(new VmmAction.SetVsock(vsock), vsock.VsockId is null ? null : "PUT /vsock: vsock_id field is deprecated.");
    }

    private static ParsedRequest LoadSnapshot(ApiRequest request)
    {
        var fields = request.Fields();
        return new(new VmmAction.LoadSnapshot(SnapshotBody.ReadLoad(fields)), SnapshotBody.Deprecation(fields));
    }

    private static string? TemplateIsDeprecated(Json.JsonFields fields, string method) =>
        fields.Value("cpu_template") is null ? null : $"{method} /machine-config: cpu_template field is deprecated.";

    private static VmmFaultException Unknown(ApiRequest request) => new($"Invalid request method and/or path: {request}.");
}
