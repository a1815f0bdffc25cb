using RunnerVm.Vmm.Monitor.Devices.Legacy;
using RunnerVm.Vmm.Monitor.Machine;

namespace RunnerVm.Vmm.Monitor.Boot.Acpi;

/// <summary>The devices, in ACPI's byte code.</summary>
internal static class Dsdt
{
    /// <summary>The identifier that Linux's virtio_mmio driver answers to.</summary>
    private const string VirtioMmio = "LNRO0005";

    /// <summary>Present, enabled, shown, working (6.3.7).</summary>
    private const uint Working = 0xf;

    public static byte[] Make(IReadOnlyList<VirtioSlot> devices)
    {
        var aml = new AmlWriter();
        aml.Scope(@"\_SB_", bus =>
        {
            bus.Device("COM1", static com =>
            {
                com.EisaName("_HID", "PNP0501");
                com.Name("_UID", 0);
                com.MethodReturning("_STA", Working);
                com.Resources("_CRS", AcpiResource.Ports(SerialPort.Port, SerialPort.Ports), AcpiResource.Interrupt(MemoryLayout.SerialGsi));
            });
            bus.Device("PS2_", static keyboard =>
            {
                keyboard.EisaName("_HID", "PNP0303");
                keyboard.MethodReturning("_STA", Working);
                keyboard.Resources("_CRS", AcpiResource.Ports(0x60, 1), AcpiResource.Ports(0x64, 1), AcpiResource.Interrupt(MemoryLayout.KeyboardGsi));
            });
            for (var i = 0; i < devices.Count; i++) AddVirtio(bus, (uint)i, devices[i]);
        });
        aml.Package(@"\_S5_", AcpiSleep.SoftOff, 0, 0, 0);
        return AcpiTable.Make("DSDT", 2, aml.ToArray());
    }

    private static void AddVirtio(AmlWriter bus, uint number, VirtioSlot slot) => bus.Device($"V{number:000}", device =>
    {
        device.Name("_HID", VirtioMmio);
        device.Name("_UID", number);
        device.Name("_CCA", 1); // Coherent: devices are us.
        device.MethodReturning("_STA", Working);
        device.Resources("_CRS", AcpiResource.Memory((uint)slot.Address, (uint)MemoryLayout.VirtioLength), AcpiResource.Interrupt(slot.Gsi));
    });
}
