namespace RunnerVm.Leases;

/// <summary>
/// A wish from another process that a run should end: a file in the run's folder, which only the same user can write. Its
/// owner looks for it, because nothing on Linux announces a file without a thread to wait for it.
/// </summary>
internal static class StopOrder
{
    private const string FileName = "stop";

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    public static void Place(string folder) => File.WriteAllBytes(Path.Combine(folder, FileName), []);

    /// <summary>Returns when the run is asked to end; throws when <paramref name="ended"/>.</summary>
    public static async Task WaitAsync(string folder, TimeProvider time, CancellationToken ended)
    {
        var path = Path.Combine(folder, FileName);
        using var tick = new PeriodicTimer(Interval, time);
        while (!File.Exists(path)) await tick.WaitForNextTickAsync(ended);
    }
}
