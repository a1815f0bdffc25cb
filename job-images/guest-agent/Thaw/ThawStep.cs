using System.Diagnostics;
using RunnerVm.GuestAgent.Boot;
using RunnerVm.GuestAgent.Errands;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Thaw;

/// <summary>
/// Makes a machine itself: clock, entropy, name. What is the same in every machine of a kind is made before, here in a
/// machine that was booted for its job, long ago in one that was restored from a snapshot.
/// </summary>
internal static class ThawStep
{
    private const int HeapBytes = 3 << 20;
    private const int PieceBytes = 4096;

    /// <param name="received">Stopwatch timestamp of the request's arrival.</param>
    /// <param name="prepared">From the freeze before the snapshot, or null in a machine that just booted.</param>
    /// <returns>The answer for the host, and the place to work unless it carries an error.</returns>
    public static (ThawResult Result, Workplace? Workplace) Run(
        ThawRequest request, long received, PreparedMachine? prepared, Func<PreparedMachine> prepare, GuestConnection connection, TimeSpan bootTime)
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
            if (request.ErrandCommand is { } command) ErrandListener.Start(command, connection);
            return (result with { ThawMilliseconds = Stopwatch.GetElapsedTime(started).TotalMilliseconds }, prepared.ToWorkplace());
        }
        catch (Exception e) when (e is IOException or System.ComponentModel.Win32Exception)
        {
            return (result with { Error = e.Message }, null);
        }
    }

    /// <summary>
    /// Reads and writes messages as thaw will: what the serializer makes of a type the first time it sees it, it has made
    /// before the snapshot. On a software CPU that is the larger part of a thaw.
    /// </summary>
    public static void Rehearse()
    {
        var request = new ThawRequest { UnixTimeNanoseconds = 1, Entropy = new byte[64], Hostname = "localhost", MachineId = "", Workspace = "/", Network = true };
        _ = ThawRequest.Read(request.ToPayload());
        Identity.CreditEntropy(request.Entropy);
        _ = new ThawResult { ThawMilliseconds = 0.5 }.ToPayload();
        GrowHeap();
    }

    /// <summary>So that no copy has to ask the kernel for more: what is allocated from here on has been used once and is kept.</summary>
    private static void GrowHeap()
    {
        for (var i = 0; i < HeapBytes / PieceBytes; i++) _ = new byte[PieceBytes];
        GC.Collect();
    }
}
