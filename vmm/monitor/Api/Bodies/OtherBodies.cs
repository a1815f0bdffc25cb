using System.Text.Json;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Json;
using RunnerVm.Vmm.Monitor.Logging;

namespace RunnerVm.Vmm.Monitor.Api.Bodies;

/// <summary>/vsock, /entropy, /serial, /logger and /metrics as JSON.</summary>
internal static class OtherBodies
{
    /// <summary>0 to 2 are the hypervisor's, loopback's and the host's; the last one is any (linux/vm_sockets.h).</summary>
    public const uint LeastCid = 3;
    public const uint MostCid = uint.MaxValue - 1;

    public static Vsock ReadVsock(JsonFields fields)
    {
        var vsock = new Vsock
        {
            GuestCid = (uint)fields.RequiredNumber("guest_cid", LeastCid, MostCid),
            UdsPath = fields.RequiredText("uds_path"),
            VsockId = fields.Text("vsock_id"),
        };
        fields.NoOthers();
        return vsock;
    }

    public static void Write(Utf8JsonWriter writer, Vsock vsock)
    {
        writer.WriteStartObject();
        writer.WriteNumber("guest_cid", vsock.GuestCid);
        writer.WriteString("uds_path", vsock.UdsPath);
        writer.WriteEndObject();
    }

    public static Entropy ReadEntropy(JsonFields fields)
    {
        var entropy = new Entropy { RateLimiter = LimiterBody.Read(fields, "rate_limiter") };
        fields.NoOthers();
        return entropy;
    }

    public static void Write(Utf8JsonWriter writer, Entropy entropy)
    {
        writer.WriteStartObject();
        LimiterBody.Write(writer, "rate_limiter", entropy.RateLimiter);
        writer.WriteEndObject();
    }

    public static Serial ReadSerial(JsonFields fields)
    {
        var serial = new Serial { SerialOutPath = fields.Text("serial_out_path"), RateLimiter = LimiterBody.ReadBucket(fields, "rate_limiter") };
        fields.NoOthers();
        return serial;
    }

    public static LoggerConfiguration ReadLogger(JsonFields fields)
    {
        var logger = new LoggerConfiguration
        {
            LogPath = fields.Text("log_path"),
            Level = fields.Text("level") is { } word ? LogLevels.Parse(word) ?? throw fields.Fault("level", $"must be {LogLevels.Known}; it is {word}.") : null,
            ShowLevel = fields.Flag("show_level"),
            ShowLogOrigin = fields.Flag("show_log_origin"),
            Module = fields.Text("module"),
        };
        fields.NoOthers();
        return logger;
    }

    public static MetricsConfiguration ReadMetrics(JsonFields fields)
    {
        var metrics = new MetricsConfiguration
        {
            MetricsPath = fields.RequiredText("metrics_path"),
            EmitId = fields.Flag("emit_id") ?? false,
            Properties = fields.Object("properties")?.TextMembers() ?? [],
        };
        fields.NoOthers();
        return metrics;
    }
}
