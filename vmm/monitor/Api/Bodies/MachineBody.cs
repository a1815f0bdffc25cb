using System.Text.Json;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Json;

namespace RunnerVm.Vmm.Monitor.Api.Bodies;

/// <summary>/machine-config and /boot-source as JSON.</summary>
internal static class MachineBody
{
    /// <summary>PUT: all of it, what is left out at its default.</summary>
    public static MachineUpdate ReadWhole(JsonFields fields) => Read(fields) with
    {
        VcpuCount = (int)fields.RequiredNumber("vcpu_count", 1, MachineConfiguration.MostVcpus),
        MemSizeMib = fields.RequiredNumber("mem_size_mib", MachineConfiguration.LeastMemoryMib, MachineConfiguration.MostMemoryMib),
        Smt = fields.Flag("smt") ?? false,
        TrackDirtyPages = fields.Flag("track_dirty_pages") ?? false,
        HugePages = ReadHugePages(fields) ?? HugePages.None,
    };

    /// <summary>PATCH: a part of it.</summary>
    public static MachineUpdate Read(JsonFields fields)
    {
        var update = new MachineUpdate
        {
            VcpuCount = (int?)fields.Number("vcpu_count", 1, MachineConfiguration.MostVcpus),
            MemSizeMib = fields.Number("mem_size_mib", MachineConfiguration.LeastMemoryMib, MachineConfiguration.MostMemoryMib),
            Smt = fields.Flag("smt"),
            TrackDirtyPages = fields.Flag("track_dirty_pages"),
            HugePages = ReadHugePages(fields),
        };
        if (NamesTemplate(fields))
            throw fields.Fault("cpu_template", "the templates Firecracker brings along are not here. Send the registers you want with PUT /cpu-config.");
        fields.NoOthers();
        return update;
    }

    public static void Write(Utf8JsonWriter writer, MachineConfiguration machine)
    {
        writer.WriteStartObject();
        writer.WriteNumber("vcpu_count", machine.VcpuCount);
        writer.WriteNumber("mem_size_mib", machine.MemSizeMib);
        writer.WriteBoolean("smt", machine.Smt);
        writer.WriteBoolean("track_dirty_pages", machine.TrackDirtyPages);
        writer.WriteString("huge_pages", machine.HugePages == HugePages.TwoMib ? "2M" : "None");
        writer.WriteEndObject();
    }

    public static BootSource ReadBootSource(JsonFields fields)
    {
        var boot = ReadBootFields(fields);
        fields.NoOthers();
        return boot;
    }

    /// <summary>The same three fields where others stand beside them (PUT /boot).</summary>
    public static BootSource ReadBootFields(JsonFields fields) => new()
    {
        KernelImagePath = fields.RequiredText("kernel_image_path"),
        InitrdPath = fields.Text("initrd_path"),
        BootArgs = fields.Text("boot_args"),
    };

    /// <param name="boot">Null: none was set, and Firecracker shows an empty path.</param>
    public static void Write(Utf8JsonWriter writer, BootSource? boot)
    {
        writer.WriteStartObject();
        writer.WriteString("kernel_image_path", boot?.KernelImagePath ?? "");
        writer.WriteString("initrd_path", boot?.InitrdPath);
        writer.WriteString("boot_args", boot?.BootArgs);
        writer.WriteEndObject();
    }

    private static bool NamesTemplate(JsonFields fields) =>
        fields.Choice("cpu_template", ("None", false), ("C3", true), ("T2", true), ("T2S", true), ("T2CL", true), ("T2A", true), ("V1N1", true)) is true;

    private static HugePages? ReadHugePages(JsonFields fields)
    {
        var (none, twoMib, transparent) = (HugePages.None, HugePages.TwoMib, (HugePages)(-1));
        var value = fields.Choice("huge_pages", ("None", none), ("2M", twoMib), ("Transparent", transparent));
        return value != transparent ? value : throw fields.Fault("huge_pages", "Transparent is not here. Use None or 2M.");
    }
}
