using System.Buffers.Binary;
using System.Diagnostics;
using System.Text;
using RunnerVm.Vmm.Monitor.Boot;
using RunnerVm.Vmm.Monitor.Boot.Acpi;
using RunnerVm.Vmm.Monitor.Machine;
using RunnerVm.Vmm.Native.Memory;
using Xunit;

namespace RunnerVm.Tests.Vmm.Machine;

public sealed class AcpiTests : IDisposable
{
    private readonly GuestMemory _memory = MemoryLayout.Allocate(2 << 20, hugePages: false);
    private readonly string _folder = Directory.CreateTempSubdirectory("runnervm-acpi-").FullName;

    public void Dispose()
    {
        _memory.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(4, 5)]
    [InlineData(32, VirtioSlot.Most)]
    public void Every_table_is_found_from_the_RSDP_adds_up_to_zero_and_stays_below_1_MiB(int vcpus, int devices)
    {
        var tables = Write(vcpus, devices);
        Assert.Equal(["APIC", "DSDT", "FACP", "XSDT"], tables.Keys.Order());
        Assert.All(tables.Values, static table => Assert.Equal(0, table.Aggregate(0, static (sum, value) => (sum + value) & 0xff)));

        var rsdp = Read(MemoryLayout.AcpiStart, 36);
        Assert.Equal(0, rsdp.Aggregate(0, static (sum, value) => (sum + value) & 0xff));
        Assert.Equal(0, rsdp[..20].Aggregate(0, static (sum, value) => (sum + value) & 0xff));
    }

    [Fact]
    public void The_MADT_has_a_local_APIC_for_each_vCPU_and_one_IOAPIC()
    {
        var madt = Write(3, 0)["APIC"];
        var kinds = new List<byte>();
        for (var at = 44; at < madt.Length; at += madt[at + 1]) kinds.Add(madt[at]);
        Assert.Equal(new byte[] { 0, 0, 0, 1, 4 }, kinds);
        Assert.Equal(MemoryLayout.IoApic, BinaryPrimitives.ReadUInt32LittleEndian(madt.AsSpan(44 + (3 * 8) + 4)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(32)]
    public void The_MP_table_says_the_same_within_the_last_KiB_of_base_memory(int vcpus)
    {
        MpTable.Write(_memory, vcpus);
        var pointer = Read(MemoryLayout.FirmwareStart, 16);
        Assert.Equal("_MP_", Encoding.ASCII.GetString(pointer, 0, 4));
        var at = BinaryPrimitives.ReadUInt32LittleEndian(pointer.AsSpan(4));
        var table = Read(at, _memory.Read<ushort>(new(at + 4)));
        Assert.True(at + (uint)table.Length <= 0xa0000);
        Assert.All([pointer, table], static bytes => Assert.Equal(0, bytes.Aggregate(0, static (sum, value) => (sum + value) & 0xff)));

        var kinds = new List<int>();
        for (var entry = 44; entry < table.Length; entry += table[entry] == 0 ? 20 : 8) kinds.Add(table[entry]);
        Assert.Equal(BinaryPrimitives.ReadUInt16LittleEndian(table.AsSpan(34)), kinds.Count);
        Assert.Equal([vcpus, 1, 1, 24, 2], Enumerable.Range(0, 5).Select(kind => kinds.Count(other => other == kind)));
    }

    [Fact]
    public void The_DSDT_disassembles_to_what_we_meant()
    {
        if (!File.Exists("/usr/bin/iasl")) Assert.Skip("iasl (acpica-tools) is not installed.");
        var source = Disassemble("DSDT", Write(2, VirtioSlot.Most)["DSDT"]);
        Assert.Contains("Device (V000)", source, StringComparison.Ordinal);
        Assert.Contains("Device (V018)", source, StringComparison.Ordinal);
        Assert.Contains("Name (_HID, \"LNRO0005\")", source, StringComparison.Ordinal);
        Assert.Contains("0xC0001000,         // Address Base\n                    0x00001000,         // Address Length", source, StringComparison.Ordinal);
        Assert.Contains("Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive, ,, )\n                {\n                    0x00000005,\n", source, StringComparison.Ordinal);
        Assert.Contains("Name (_HID, EisaId (\"PNP0501\") /* 16550A-compatible COM Serial Port */)", source, StringComparison.Ordinal);
        Assert.Contains("Name (_HID, EisaId (\"PNP0303\")", source, StringComparison.Ordinal);
        Assert.Contains("Name (\\_S5, Package (0x04)", source, StringComparison.Ordinal);
    }

    [Fact]
    public void The_FADT_says_hardware_reduced_with_reset_and_sleep_registers()
    {
        if (!File.Exists("/usr/bin/iasl")) Assert.Skip("iasl (acpica-tools) is not installed.");
        var source = Disassemble("FACP", Write(1, 0)["FACP"]);
        foreach (var line in new[] { "Hardware Reduced (V5) : 1", "Reset Register Supported (V2) : 1", "Value to cause reset : FE", "CMOS RTC Not Present (V5) : 1" })
            Assert.Contains(line, source, StringComparison.Ordinal);
        Assert.Contains("Address : 0000000000000600", source, StringComparison.Ordinal);
        Assert.Contains("Address : 0000000000000064", source, StringComparison.Ordinal);
    }

    [Fact]
    public void A_disassembled_MADT_has_no_complaint()
    {
        if (!File.Exists("/usr/bin/iasl")) Assert.Skip("iasl (acpica-tools) is not installed.");
        var source = Disassemble("APIC", Write(2, 0)["APIC"]);
        Assert.Contains("PC-AT Compatibility : 1", source, StringComparison.Ordinal);
        Assert.Contains("Processor Enabled : 1", source, StringComparison.Ordinal);
        Assert.DoesNotContain("Invalid", source, StringComparison.Ordinal);
    }

    private Dictionary<string, byte[]> Write(int vcpus, int devices)
    {
        AcpiTables.Write(_memory, vcpus, [.. Enumerable.Range(0, devices).Select(VirtioSlot.Number)]);
        var tables = new Dictionary<string, byte[]>();
        var xsdt = Add(_memory.Read<ulong>(new(MemoryLayout.AcpiStart + 24)));
        for (var at = 36; at < xsdt.Length; at += 8)
        {
            var table = Add(BinaryPrimitives.ReadUInt64LittleEndian(xsdt.AsSpan(at)));
            if (Encoding.ASCII.GetString(table, 0, 4) == "FACP") Add(BinaryPrimitives.ReadUInt64LittleEndian(table.AsSpan(140)));
        }

        return tables;

        byte[] Add(ulong address)
        {
            var table = Read(address, (int)_memory.Read<uint>(new(address + 4)));
            Assert.True(address + (ulong)table.Length <= MemoryLayout.ResetVector);
            tables.Add(Encoding.ASCII.GetString(table, 0, 4), table);
            return table;
        }
    }

    private byte[] Read(ulong address, int length)
    {
        var bytes = new byte[length];
        _memory.Read(new(address), bytes);
        return bytes;
    }

    private string Disassemble(string name, byte[] table)
    {
        var path = Path.Combine(_folder, name + ".dat");
        File.WriteAllBytes(path, table);
        using var iasl = Process.Start(new ProcessStartInfo("iasl", ["-d", path]) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = _folder })!;
        var said = iasl.StandardOutput.ReadToEnd() + iasl.StandardError.ReadToEnd();
        iasl.WaitForExit();
        Assert.True(iasl.ExitCode == 0, said);
        return File.ReadAllText(Path.ChangeExtension(path, ".dsl"));
    }
}
