using RunnerVm.Vmm.Monitor.Bus;

namespace RunnerVm.Vmm.Monitor.Devices.Legacy;

/// <summary>The sleep control and status registers of hardware-reduced ACPI (6.5, 4.8.3.7): how <c>poweroff</c> ends the machine.</summary>
/// <param name="off">Called on the vCPU that asked.</param>
internal sealed class AcpiSleep(Action off) : IBusDevice
{
    /// <summary>Control, then status.</summary>
    public const ushort Port = 0x600;
    public const int Ports = 2;

    /// <summary>What \_S5 in the DSDT tells the guest to write as SLP_TYP.</summary>
    public const byte SoftOff = 5;

    private const byte SleepEnable = 1 << 5;
    private const int SleepTypeShift = 2;
    private const byte SleepTypeMask = 7;

    public void Read(ulong offset, Span<byte> into)
    {
        // The wake status, which is never set.
    }

    public void Write(ulong offset, ReadOnlySpan<byte> from)
    {
        if (offset == 0 && (from[0] & SleepEnable) != 0 && ((from[0] >> SleepTypeShift) & SleepTypeMask) == SoftOff) off();
    }
}
