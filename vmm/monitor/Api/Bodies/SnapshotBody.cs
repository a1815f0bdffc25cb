using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Json;

namespace RunnerVm.Vmm.Monitor.Api.Bodies;

/// <summary>/snapshot/create and /snapshot/load as JSON.</summary>
internal static class SnapshotBody
{
    public const string Deprecated = "PUT /snapshot/load: mem_file_path and enable_diff_snapshots fields are deprecated.";

    public static SnapshotRequest ReadCreate(JsonFields fields)
    {
        var request = new SnapshotRequest
        {
            SnapshotType = fields.Choice("snapshot_type", ("Full", SnapshotType.Full), ("Diff", SnapshotType.Diff)) ?? SnapshotType.Full,
            SnapshotPath = fields.RequiredText("snapshot_path"),
            MemFilePath = fields.RequiredText("mem_file_path"),
        };
        fields.NoOthers();
        HostFiles.MustBePath("snapshot_path", request.SnapshotPath);
        HostFiles.MustBePath("mem_file_path", request.MemFilePath);
        if (request.SnapshotPath == request.MemFilePath) throw fields.Fault("mem_file_path", "is the snapshot_path, too. State and memory are two files.");
        return request;
    }

    public static SnapshotLoad ReadLoad(JsonFields fields)
    {
        var load = new SnapshotLoad
        {
            SnapshotPath = fields.RequiredText("snapshot_path"),
            MemFilePath = ReadMemory(fields),
            TrackDirtyPages = (fields.Flag("enable_diff_snapshots") ?? false) | (fields.Flag("track_dirty_pages") ?? false),
            ResumeVm = fields.Flag("resume_vm") ?? false,
            ClockRealtime = fields.Flag("clock_realtime") ?? false,
            HugePages = ReadHugePages(fields),
            NetworkOverrides = fields.Items("network_overrides", static (item, path) => ReadOverride(new(item, path + "."), "iface_id", "host_dev_name")),
            DriveOverrides = fields.Items("drive_overrides", static (item, path) => ReadOverride(new(item, path + "."), "drive_id", "path_on_host")),
            VsockUdsPath = ReadVsock(fields),
        };
        fields.NoOthers();
        HostFiles.MustBePath("snapshot_path", load.SnapshotPath);
        return load;
    }

    /// <summary>Of the fields Firecracker deprecated; null when none was used.</summary>
    public static string? Deprecation(JsonFields fields) =>
        fields.Value("mem_file_path") is not null || fields.Flag("enable_diff_snapshots") is true ? Deprecated : null;

    private static string ReadMemory(JsonFields fields)
    {
        var (path, backend) = (fields.Text("mem_file_path"), fields.Object("mem_backend"));
        if (path is not null && backend is not null)
            throw new VmmFaultException("too many fields: either `mem_backend` or `mem_file_path` exclusively is required");
        if (backend is not null)
        {
            if (backend.Choice("backend_type", ("File", false), ("Uffd", true)) ?? throw backend.Fault("backend_type", "missing. It takes \"File\"."))
                throw backend.Fault("backend_type", "page faults served by another process (Uffd) are not here. Use \"File\", which is mapped and read as it is touched.");
            path = backend.RequiredText("backend_path");
            backend.NoOthers();
        }

        if (path is null) throw new VmmFaultException("missing field: either `mem_backend` or `mem_file_path` is required");
        HostFiles.MustBePath("mem_backend.backend_path", path);
        return path;
    }

    private static HugePages? ReadHugePages(JsonFields fields)
    {
        var asSaved = (HugePages)(-1);
        var pages = fields.Choice("huge_pages", ("Snapshot", asSaved), ("None", HugePages.None), ("2M", HugePages.TwoMib));
        return pages == asSaved ? null : pages;
    }

    private static (string Id, string Value) ReadOverride(JsonFields fields, string id, string value)
    {
        var pair = (ResourceId.Read(fields, id), fields.RequiredText(value));
        fields.NoOthers();
        return pair;
    }

    private static string? ReadVsock(JsonFields fields)
    {
        if (fields.Object("vsock_override") is not { } vsock) return null;
        var path = vsock.RequiredText("uds_path");
        vsock.NoOthers();
        return path;
    }
}
