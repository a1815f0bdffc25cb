using System.Diagnostics;
using RunnerVm.Vmm.Monitor.Bus;

namespace RunnerVm.Vmm.Monitor.Devices.Legacy;

/// <summary>--boot-timer: the guest writes 123 when it is up, and hears of it in our log. As in Firecracker.</summary>
/// <param name="started">A time stamp of <see cref="Stopwatch"/>.</param>
/// <param name="booted">Called on the vCPU that wrote.</param>
internal sealed class BootTimer(long started, Action<TimeSpan> booted) : IBusDevice
{
    public const ulong Length = 0x1000;

    private const byte Magic = 123;

    public void Read(ulong offset, Span<byte> into)
    {
        // There is nothing to read; zeroes.
    }

    public void Write(ulong offset, ReadOnlySpan<byte> from)
    {
        if (offset == 0 && from.Length == 1 && from[0] == Magic) booted(Stopwatch.GetElapsedTime(started));
    }
}
