namespace RunnerVm.Leases;

/// <summary>
/// A wish from another process that a run should end: a file in the run's folder, which only the same user can write. Its
/// owner looks for it, because nothing on Linux announces a file without a thread to wait for it.
/// </summary>
internal static class StopOrder
{
    private const string FileName = "stop";

    /// <summary>How often the owner looks.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    public static void Place(string folder) => File.WriteAllBytes(Path.Combine(folder, FileName), []);

    /// <returns>True when the run is asked to end, false when the timer was disposed before.</returns>
    public static async Task<bool> WaitAsync(string folder, PeriodicTimer tick)
    {
        var path = Path.Combine(folder, FileName);
        while (!File.Exists(path))
        {
            if (!await tick.WaitForNextTickAsync()) return false;
        }

        return true;
    }
}
