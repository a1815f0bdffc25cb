using System.Globalization;
using RunnerVm.Leases;

namespace RunnerVm.Machines;

/// <summary>A process and all that descend from it, as /proc shows them at one moment.</summary>
internal static class ProcessTree
{
    /// <summary>The process itself first; those that ended while we looked are left out.</summary>
    public static IReadOnlyList<int> Of(int root)
    {
        var found = new List<int> { root };
        for (var i = 0; i < found.Count; i++) found.AddRange(ChildrenOf(found[i]));
        return found;
    }

    /// <summary>Identities, which stay right when numbers are used again.</summary>
    public static IReadOnlyList<ProcessIdentity> IdentitiesOf(int root) => [.. Of(root).Select(ProcessIdentity.Of).OfType<ProcessIdentity>()];

    /// <summary>What the processes hold in memory together, shared pages counted once among them.</summary>
    public static MemoryUse MemoryOf(int root) => Of(root).Select(MemoryUse.Of).Aggregate(new MemoryUse(0, 0), static (sum, one) => sum + one);

    private static IEnumerable<int> ChildrenOf(int pid)
    {
        var children = new List<int>();
        try
        {
            foreach (var thread in Directory.EnumerateDirectories($"/proc/{pid}/task"))
            {
                foreach (var child in File.ReadAllText($"{thread}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries))
                    children.Add(int.Parse(child, CultureInfo.InvariantCulture));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has just ended; whose children they were is known from elsewhere.
        }

        return children;
    }
}

/// <param name="Bytes">Proportional set size, all of it.</param>
/// <param name="OwnBytes">The part of it that is no file's: what the host gets back only when the process ends.</param>
internal readonly record struct MemoryUse(long Bytes, long OwnBytes)
{
    public static MemoryUse operator +(MemoryUse left, MemoryUse right) => new(left.Bytes + right.Bytes, left.OwnBytes + right.OwnBytes);

    /// <summary>Of one process, by smaps_rollup (proc_pid_smaps(5)); zero for one that has ended or is not ours to look at.</summary>
    public static MemoryUse Of(int pid)
    {
        try
        {
            var lines = File.ReadAllLines($"/proc/{pid}/smaps_rollup");
            return new(Kibibytes(lines, "Pss:") * 1024, (Kibibytes(lines, "Pss_Anon:") + Kibibytes(lines, "Pss_Shmem:")) * 1024);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return default;
        }
    }

    private static long Kibibytes(string[] lines, string name) =>
        Array.Find(lines, line => line.StartsWith(name, StringComparison.Ordinal)) is { } line
            ? long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture)
            : 0;
}
