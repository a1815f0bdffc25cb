using System.Text.Json;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Json;

namespace RunnerVm.Vmm.Monitor.Api.Bodies;

/// <summary>/drives/{drive_id} as JSON.</summary>
internal static class DriveBody
{
    private const int MostPartuuid = 64;

    public static Drive Read(JsonFields fields)
    {
        var drive = new Drive
        {
            DriveId = ResourceId.Read(fields, "drive_id"),
            IsRootDevice = fields.RequiredFlag("is_root_device"),
            PathOnHost = fields.Text("path_on_host"),
            IsReadOnly = fields.Flag("is_read_only") ?? false,
            Partuuid = fields.Text("partuuid"),
            CacheType = fields.Choice("cache_type", ("Unsafe", CacheType.Unsafe), ("Writeback", CacheType.Writeback)) ?? CacheType.Unsafe,
            IoEngine = fields.Choice("io_engine", ("Sync", IoEngine.Sync), ("Async", IoEngine.Async)) ?? IoEngine.Sync,
            RateLimiter = LimiterBody.Read(fields, "rate_limiter"),
        };
        if (fields.Text("socket") is not null) throw fields.Fault("socket", "drives served by another process (vhost-user) are not here. Give path_on_host.");
        fields.NoOthers();
        if (drive.PathOnHost is null) throw fields.Fault("path_on_host", "missing. It takes the path of a file or a block device.");
        if (drive.Partuuid is { } uuid && !IsPartuuid(uuid)) throw fields.Fault("partuuid", "must be letters, digits and hyphens, as blkid prints it.");
        return drive;
    }

    public static VmmAction.UpdateDrive ReadUpdate(JsonFields fields)
    {
        var update = new VmmAction.UpdateDrive(ResourceId.Read(fields, "drive_id"), fields.Text("path_on_host"), LimiterBody.Read(fields, "rate_limiter"));
        fields.NoOthers();
        return update;
    }

    public static void Write(Utf8JsonWriter writer, Drive drive)
    {
        writer.WriteStartObject();
        writer.WriteString("drive_id", drive.DriveId);
        writer.WriteString("partuuid", drive.Partuuid);
        writer.WriteBoolean("is_root_device", drive.IsRootDevice);
        writer.WriteString("cache_type", drive.CacheType == CacheType.Writeback ? "Writeback" : "Unsafe");
        writer.WriteBoolean("is_read_only", drive.IsReadOnly);
        writer.WriteString("path_on_host", drive.PathOnHost);
        LimiterBody.Write(writer, "rate_limiter", drive.RateLimiter);
        writer.WriteString("io_engine", drive.IoEngine == IoEngine.Async ? "Async" : "Sync");
        writer.WriteNull("socket");
        writer.WriteEndObject();
    }

    /// <summary>It goes on the kernel's command line, where a blank would begin another argument.</summary>
    private static bool IsPartuuid(string text) => text.Length is > 0 and <= MostPartuuid && text.All(static c => char.IsAsciiLetterOrDigit(c) || c == '-');
}
