using System.Globalization;

namespace RunnerVm.Machines.Gvisor;

/// <summary>Which of the host's processors a sandbox runs on: it sees as many as it may use, and no others.</summary>
internal static class HostCpus
{
    /// <summary>So many of those we may use ourselves, chosen at random so that sandboxes spread.</summary>
    public static IReadOnlyList<int> Choose(int count)
    {
        var ours = Allowed(File.ReadLines("/proc/self/status"));
        var chosen = ours.ToArray();
        Random.Shared.Shuffle(chosen);
        return [.. chosen.Take(count).Order()];
    }

    /// <summary>From "Cpus_allowed_list:	0-3,6" of proc_pid_status(5).</summary>
    internal static IReadOnlyList<int> Allowed(IEnumerable<string> status)
    {
        const string Key = "Cpus_allowed_list:";
        var list = status.First(static line => line.StartsWith(Key, StringComparison.Ordinal))[Key.Length..];
        var numbers = new List<int>();
        foreach (var range in list.Split(',', StringSplitOptions.TrimEntries))
        {
            var ends = range.Split('-');
            var (first, last) = (int.Parse(ends[0], CultureInfo.InvariantCulture), int.Parse(ends[^1], CultureInfo.InvariantCulture));
            numbers.AddRange(Enumerable.Range(first, last - first + 1));
        }

        return numbers;
    }
}
