using System.Diagnostics;
using RunnerVm.GuestAgent.Boot;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Thaw;

/// <summary>
/// Makes a machine itself: clock, entropy, name. What is the same in every machine of a kind is made before, here in a
/// machine that was booted for its job, long ago in one that was restored from a snapshot.
/// </summary>
internal static class ThawStep
{
    /// <param name="received">Stopwatch timestamp of the request's arrival.</param>
    /// <param name="prepared">From the freeze before the snapshot, or null in a machine that just booted.</param>
    /// <returns>The answer for the host, and the place to work unless it carries an error.</returns>
    public static (ThawResult Result, Workplace? Workplace) Run(
        ThawRequest request, long received, PreparedMachine? prepared, Func<PreparedMachine> prepare, TimeSpan bootTime)
    {
        var started = Stopwatch.GetTimestamp();
        var result = new ThawResult { KernelRelease = Identity.KernelRelease(), BootMilliseconds = bootTime.TotalMilliseconds };
        try
        {
            if (!Sandbox.IsOurs)
            {
                // What the request has waited here since it came is part of the time by now.
                Identity.SetClock(request.UnixTimeNanoseconds + (long)Stopwatch.GetElapsedTime(received).TotalNanoseconds);
                Identity.CreditEntropy(request.Entropy);
            }

            Identity.SetHostname(request.Hostname);
            prepared ??= prepare();
            prepared.Names.Write(request);
            return (result with { ThawMilliseconds = Stopwatch.GetElapsedTime(started).TotalMilliseconds }, prepared.ToWorkplace());
        }
        catch (Exception e) when (e is IOException or System.ComponentModel.Win32Exception)
        {
            return (result with { Error = e.Message }, null);
        }
    }
}
