using System.Text.Json;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Json;

namespace RunnerVm.Vmm.Monitor.Api.Bodies;

/// <summary>
/// A whole machine in one text: the file of --config-file, and PUT /boot. Either becomes the same actions a client would
/// have sent one by one, in Firecracker's order.
/// </summary>
internal static class WholeMachine
{
    /// <summary>PUT /boot: the fields of /boot-source, and the sections of the file beside them.</summary>
    public static IReadOnlyList<VmmAction> ReadBoot(JsonFields fields)
    {
        var boot = MachineBody.ReadBootFields(fields);
        var steps = ReadSections(fields, boot);
        fields.NoOthers();
        return steps;
    }

    /// <summary>--config-file. Logger and metrics are apart: they are wanted before anything else is tried.</summary>
    public static (LoggerConfiguration? Logger, MetricsConfiguration? Metrics, IReadOnlyList<VmmAction> Steps) ReadFile(JsonFields fields)
    {
        var logger = fields.Object("logger") is { } section ? OtherBodies.ReadLogger(section) : null;
        var metrics = fields.Object("metrics") is { } other ? OtherBodies.ReadMetrics(other) : null;
        var boot = fields.Object("boot-source") ?? throw fields.Fault("boot-source", "missing. It takes an object with kernel_image_path.");
        var steps = ReadSections(fields, MachineBody.ReadBootSource(boot));
        fields.NoOthers();
        return (logger, metrics, steps);
    }

    private static List<VmmAction> ReadSections(JsonFields fields, BootSource boot)
    {
        var steps = new List<VmmAction>();
        if (fields.Object("machine-config") is { } machine) steps.Add(new VmmAction.UpdateMachine(MachineBody.ReadWhole(machine)));
        if (fields.Value("cpu-config") is { } cpu) steps.Add(new VmmAction.SetCpu(ReadCpu(fields, cpu)));
        steps.Add(new VmmAction.SetBootSource(boot));
        steps.AddRange(fields.Items("drives", static (item, path) => new VmmAction.InsertDrive(DriveBody.Read(new(item, path + ".")))));
        steps.AddRange(fields.Items("network-interfaces", static (item, path) =>
            new VmmAction.InsertNetworkInterface(NetworkBody.Read(new(item, path + ".")))));
        if (fields.Object("vsock") is { } vsock) steps.Add(new VmmAction.SetVsock(OtherBodies.ReadVsock(vsock)));
        if (fields.Object("balloon") is { } balloon) steps.Add(new VmmAction.SetBalloon(BalloonBody.Read(balloon)));
        if (fields.Object("mmds-config") is { } mmds) steps.Add(new VmmAction.SetMetadataService(NetworkBody.ReadMmds(mmds)));
        if (fields.Object("entropy") is { } entropy) steps.Add(new VmmAction.SetEntropy(OtherBodies.ReadEntropy(entropy)));
        if (fields.Object("serial") is { } serial) steps.Add(new VmmAction.SetSerial(OtherBodies.ReadSerial(serial)));
        if (fields.Items("pmem", static (item, _) => item).Count > 0) throw fields.Fault("pmem", "pmem devices are not here. Use drives.");
        if (fields.Object("memory-hotplug") is not null) throw fields.Fault("memory-hotplug", "memory cannot be plugged in here. Use mem_size_mib.");
        return steps;
    }

    /// <summary>The template itself, or the path of a file with it.</summary>
    private static CpuConfiguration ReadCpu(JsonFields fields, JsonElement cpu)
    {
        if (cpu.ValueKind != JsonValueKind.String) return CpuBody.Read(new JsonFields(cpu, "cpu-config."));
        var path = cpu.GetString()!;
        try
        {
            return CpuBody.Read(new JsonFields(JsonBody.Parse(File.ReadAllBytes(path), $"the CPU template {path}")));
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw fields.Fault("cpu-config", $"cannot read {path}: {cause.Message}");
        }
    }
}
