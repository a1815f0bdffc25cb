using System.Buffers.Binary;
using RunnerVm.Vmm.Monitor.Boot.Acpi;
using RunnerVm.Vmm.Monitor.Machine;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Boot;

/// <summary>
/// Processors and interrupt lines once more, for kernels without ACPI (Intel, MultiProcessor Specification 1.4). They find
/// the pointer in the last KiB of base memory.
/// </summary>
internal static class MpTable
{
    private const int PointerBytes = 16;
    private const int HeaderBytes = 44;
    private const byte SpecificationRevision = 4; // 1.4
    private const byte LocalApicVersion = 0x14;
    private const byte IoApicVersion = 0x11;
    private const byte AllLocalApics = 0xff;
    private const int IoApicPins = 24;

    public static void Write(GuestMemory memory, int vcpus)
    {
        var table = Configuration(vcpus);
        var pointer = new byte[PointerBytes];
        "_MP_"u8.CopyTo(pointer);
        BinaryPrimitives.WriteUInt32LittleEndian(pointer.AsSpan(4), (uint)MemoryLayout.FirmwareStart + PointerBytes);
        (pointer[8], pointer[9]) = (PointerBytes / 16, SpecificationRevision);
        pointer[10] = AcpiTable.Checksum(pointer);
        memory.Write(new(MemoryLayout.FirmwareStart), pointer);
        memory.Write(new(MemoryLayout.FirmwareStart + PointerBytes), table);
    }

    private static byte[] Configuration(int vcpus)
    {
        var ioApic = (byte)(vcpus + 1); // A number of its own beside those of the local APICs.
        var entries = new List<byte[]>();
        // 4.3.1: enabled, the first starts the machine; signature and features are CPUID's to tell.
        for (var i = 0; i < vcpus; i++) entries.Add([0, (byte)i, LocalApicVersion, (byte)(i == 0 ? 3 : 1), .. new byte[16]]);
        entries.Add([1, 0, .. "ISA   "u8]);
        entries.Add([2, ioApic, IoApicVersion, 1, .. BitConverter.GetBytes(MemoryLayout.IoApic)]);
        // 4.3.4: each line on the pin of its number, as KVM routes them.
        for (byte pin = 0; pin < IoApicPins; pin++) entries.Add([3, 0, 0, 0, 0, pin, ioApic, pin]);
        // 4.3.5: the PIC on pin 0 of the first local APIC, NMI on pin 1 of all.
        entries.Add([4, 3, 0, 0, 0, 0, 0, 0]);
        entries.Add([4, 1, 0, 0, 0, 0, AllLocalApics, 1]);

        byte[] table = [.. new byte[HeaderBytes], .. entries.SelectMany(static entry => entry)];
        "PCMP"u8.CopyTo(table);
        BinaryPrimitives.WriteUInt16LittleEndian(table.AsSpan(4), (ushort)table.Length);
        table[6] = SpecificationRevision;
        "RUNVM   RUNNERVM    "u8.CopyTo(table.AsSpan(8));
        BinaryPrimitives.WriteUInt16LittleEndian(table.AsSpan(34), (ushort)entries.Count);
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(36), MemoryLayout.LocalApic);
        table[7] = AcpiTable.Checksum(table);
        return table;
    }
}
