using System.Globalization;

namespace RunnerVm.Snapshots;

/// <summary>
/// Waits until a machine has nothing more to do: what its kernel does once things are over (grace periods, timers, freed cgroups) is
/// then done before it is laid down, not in each of its copies. Told from outside, by the time its process ran or waited to run:
/// a host that gives it no processor does not make it look idle, and neither does one that is fast.
/// </summary>
internal static class Quiet
{
    private static readonly TimeSpan Window = TimeSpan.FromMilliseconds(250);

    /// <summary>The kernel's slower timers are seconds apart; less than this is a pause, not rest.</summary>
    private const int QuietWindows = 6;

    /// <summary>Of a window, for a clock that ticks and a device or two that are looked at.</summary>
    private const double Busy = 0.1;

    /// <summary>A guest that never rests is laid down all the same.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(12);

    /// <summary>What is waited where the kernel does not account for its scheduling.</summary>
    private static readonly TimeSpan Blind = TimeSpan.FromSeconds(3);

    /// <returns>How long it took.</returns>
    public static async Task<TimeSpan> WaitAsync(int processId, TimeProvider time, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        if (Demand(processId) is not { } before)
        {
            await Task.Delay(Blind, time, cancellationToken);
            return Blind;
        }

        for (var quiet = 0; quiet < QuietWindows && time.GetElapsedTime(began) < Limit;)
        {
            var from = time.GetTimestamp();
            await Task.Delay(Window, time, cancellationToken);
            if (Demand(processId) is not { } now) break; // It is gone; whoever lays it down will see.
            quiet = now - before < time.GetElapsedTime(from) * Busy ? quiet + 1 : 0;
            before = now;
        }

        return time.GetElapsedTime(began);
    }

    /// <summary>What all threads of a process have run and waited for a processor (Documentation/scheduler/sched-stats.rst), or null.</summary>
    internal static TimeSpan? Demand(int processId)
    {
        try
        {
            var total = 0L;
            foreach (var thread in Directory.GetDirectories($"/proc/{processId}/task"))
            {
                // "123456789 2345678 42": nanoseconds run, nanoseconds waited, times it was chosen.
                var words = File.ReadAllText($"{thread}/schedstat").Split(' ');
                total += long.Parse(words[0], CultureInfo.InvariantCulture) + long.Parse(words[1], CultureInfo.InvariantCulture);
            }

            return TimeSpan.FromTicks(total / 100);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException or IndexOutOfRangeException)
        {
            return null;
        }
    }
}
