using System.Text.Json;
using RunnerVm.Vmm.Monitor.Api.Bodies;
using RunnerVm.Vmm.Monitor.Api.Http;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;

namespace RunnerVm.Vmm.Monitor.Api;

/// <summary>From what an action gave back to what goes over the wire.</summary>
/// <param name="id">Of this instance (--id).</param>
/// <param name="version">Of this program.</param>
internal sealed class ApiAnswers(string id, string version)
{
    /// <summary>The version of Firecracker whose description the API was held against; its clients look at it.</summary>
    public const string FirecrackerVersion = "1.17.0";

    public HttpResponse Render(VmmAnswer answer) => answer switch
    {
        VmmAnswer.InstanceIs instance => HttpResponse.Json(writer => WriteInstance(writer, instance.State)),
        VmmAnswer.VersionIs => HttpResponse.Json(static writer =>
        {
            writer.WriteStartObject();
            writer.WriteString("firecracker_version", FirecrackerVersion);
            writer.WriteEndObject();
        }),
        VmmAnswer.MachineIs machine => HttpResponse.Json(writer => MachineBody.Write(writer, machine.Machine)),
        VmmAnswer.ConfigurationIs configuration => HttpResponse.Json(writer => WriteAll(writer, configuration.Resources)),
        VmmAnswer.BalloonIs balloon => HttpResponse.Json(writer => BalloonBody.Write(writer, balloon.Balloon)),
        VmmAnswer.StatisticsAre statistics => HttpResponse.Json(writer => BalloonBody.Write(writer, statistics.Statistics)),
        VmmAnswer.MetadataIs metadata => new HttpResponse(200, metadata.Json),
        _ => HttpResponse.NoContent,
    };

    private void WriteInstance(Utf8JsonWriter writer, InstanceState state)
    {
        writer.WriteStartObject();
        writer.WriteString("id", id);
        writer.WriteString("state", state switch
        {
            InstanceState.NotStarted => "Not started",
            InstanceState.Paused => "Paused",
            _ => "Running",
        });
        writer.WriteString("vmm_version", version);
        writer.WriteString("app_name", "RunnerVm");
        writer.WriteEndObject();
    }

    /// <summary>GET /vm/config, in Firecracker's order and with its nulls; what we do not have is shown as not set.</summary>
    private static void WriteAll(Utf8JsonWriter writer, VmResources resources)
    {
        writer.WriteStartObject();
        WriteOrNull(writer, "balloon", resources.Balloon, BalloonBody.Write);
        WriteEach(writer, "drives", resources.Drives, DriveBody.Write);
        writer.WritePropertyName("boot-source");
        MachineBody.Write(writer, resources.BootSource);
        writer.WriteNull("cpu-config");
        writer.WriteNull("logger");
        WriteOrNull(writer, "machine-config", resources.Machine, MachineBody.Write);
        writer.WriteNull("metrics");
        WriteOrNull(writer, "mmds-config", resources.Mmds, NetworkBody.WriteMmds);
        WriteEach(writer, "network-interfaces", resources.NetworkInterfaces, NetworkBody.Write);
        WriteOrNull(writer, "vsock", resources.Vsock, OtherBodies.Write);
        WriteOrNull(writer, "entropy", resources.Entropy, OtherBodies.Write);
        WriteEach<Drive>(writer, "pmem", [], DriveBody.Write);
        writer.WriteNull("memory-hotplug");
        writer.WriteEndObject();
    }

    private static void WriteOrNull<T>(Utf8JsonWriter writer, string name, T? value, Action<Utf8JsonWriter, T> write)
        where T : class
    {
        writer.WritePropertyName(name);
        if (value is null) writer.WriteNullValue();
        else write(writer, value);
    }

    private static void WriteEach<T>(Utf8JsonWriter writer, string name, IReadOnlyList<T> items, Action<Utf8JsonWriter, T> write)
    {
        writer.WriteStartArray(name);
        foreach (var item in items) write(writer, item);
        writer.WriteEndArray();
    }
}
