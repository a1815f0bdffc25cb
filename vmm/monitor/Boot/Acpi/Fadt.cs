using System.Buffers.Binary;
using RunnerVm.Vmm.Monitor.Devices.Legacy;

namespace RunnerVm.Vmm.Monitor.Boot.Acpi;

/// <summary>Fixed description (ACPI 6.5, 5.2.9): hardware-reduced, so there is little to describe.</summary>
internal static class Fadt
{
    private const int Bytes = 276;

    // Offsets in the table, header included.
    private const int BootArchitecture = 109;
    private const int Flags = 112;
    private const int ResetRegister = 116;
    private const int ResetValue = 128;
    private const int MinorVersion = 131;
    private const int XDsdt = 140;
    private const int SleepControl = 244;
    private const int SleepStatus = 256;
    private const int HypervisorVendor = 268;

    private const ushort KeyboardController = 1 << 1;
    private const ushort NoVga = 1 << 2;
    private const ushort NoAspm = 1 << 4;
    private const ushort NoCmosClock = 1 << 5;

    private const uint PowerButtonIsDevice = 1 << 4;
    private const uint SleepButtonIsDevice = 1 << 5;
    private const uint HasResetRegister = 1 << 10;
    private const uint HardwareReduced = 1 << 20;

    private const byte PortSpace = 1;
    private const byte ByteAccess = 1;

    public static byte[] Make(ulong dsdt)
    {
        var table = new byte[Bytes];
        Word(BootArchitecture, KeyboardController | NoVga | NoAspm | NoCmosClock);
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(Flags), HardwareReduced | HasResetRegister | PowerButtonIsDevice | SleepButtonIsDevice);

        // The keyboard controller's reset line once more: `reboot=a`, and what a kernel tries first when told nothing.
        Register(ResetRegister, 0x64);
        table[ResetValue] = 0xfe;
        table[MinorVersion] = 5;
        BinaryPrimitives.WriteUInt64LittleEndian(table.AsSpan(XDsdt), dsdt);
        Register(SleepControl, AcpiSleep.Port);
        Register(SleepStatus, AcpiSleep.Port + 1);
        "RUNNERVM"u8.CopyTo(table.AsSpan(HypervisorVendor));
        return AcpiTable.Make("FACP", 6, table.AsSpan(AcpiTable.HeaderBytes));

        // A generic address (5.2.3.2): eight bits at a port.
        void Register(int offset, ushort port)
        {
            (table[offset], table[offset + 1], table[offset + 3]) = (PortSpace, 8, ByteAccess);
            BinaryPrimitives.WriteUInt64LittleEndian(table.AsSpan(offset + 4), port);
        }

        void Word(int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(table.AsSpan(offset), value);
    }
}
