using RunnerVm.Vmm.Monitor.Json;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Time;

namespace RunnerVm.Vmm.Monitor.Probe;

/// <summary><c>runnervm-vmm --probe</c>: one JSON line, within two seconds whatever KVM does.</summary>
internal static class ProbeCommand
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);

    /// <summary>Ten milliseconds make the counter's frequency exact to about ten parts in a million.</summary>
    private const long MinimumNanoseconds = 10_000_000;

    /// <returns>The line, with its line feed.</returns>
    public static byte[] Run()
    {
        var report = ProbeReport.Failed(0, $"the probe did not finish within {Limit.TotalSeconds} seconds", null);
        long tscKhz = 0;
        try
        {
            using var counter = new TimeStampCounter();
            var start = counter.Sample();
            report = Bounded() ?? report;
            tscKhz = Frequency(counter, start);
        }
        catch (LinuxException)
        {
            // No executable page may be had here: the frequency stays unknown, the rest is still worth telling.
            report = Bounded() ?? report;
        }

        return [.. JsonBody.Write((report with { TscKhz = tscKhz }).Write), (byte)'\n'];
    }

    /// <summary>On a thread of its own, which a KVM that does not come back keeps; the program's end takes it.</summary>
    private static ProbeReport? Bounded()
    {
        ProbeReport? report = null;
        var thread = new Thread(() => report = RingZeroProbe.Run()) { IsBackground = true, Name = "probe-vcpu" };
        thread.Start();
        return thread.Join(Limit) ? report : null;
    }

    private static long Frequency(TimeStampCounter counter, (ulong Ticks, long Nanoseconds) start)
    {
        var end = counter.Sample();
        while (end.Nanoseconds - start.Nanoseconds < MinimumNanoseconds) end = counter.Sample();
        return (long)Math.Round((end.Ticks - start.Ticks) * 1e6 / (end.Nanoseconds - start.Nanoseconds));
    }
}
