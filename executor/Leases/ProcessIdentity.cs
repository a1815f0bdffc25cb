using System.Globalization;

namespace RunnerVm.Leases;

/// <summary>
/// A process beyond doubt: numbers are used again, but never with the same start in the same boot.
/// </summary>
/// <param name="StartTicks">Field 22 of /proc/pid/stat: clock ticks from boot to its start.</param>
internal sealed record ProcessIdentity(int Pid, long StartTicks, string BootId)
{
    private static readonly Lazy<string> Boot = new(() => File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim());

    /// <summary>The process that has this number now; null when none runs (a zombie has ended).</summary>
    public static ProcessIdentity? Of(int pid)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{pid}/stat");
            // The name in parentheses may hold anything, so fields are counted from its end: state is field 3.
            var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] is "Z" or "X" ? null : new(pid, long.Parse(fields[19], CultureInfo.InvariantCulture), Boot.Value);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null; // It ended while we looked.
        }
    }

    /// <summary>Whether this very process still runs.</summary>
    public bool IsRunning() => Of(Pid) == this;
}
