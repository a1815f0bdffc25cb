using System.Text.Json.Serialization;

namespace RunnerVm.Operate.Clones;

/// <summary>What came of looking at copies of one snapshot.</summary>
/// <param name="Snapshot">Its name.</param>
/// <param name="Copies">How many were asked.</param>
internal sealed record CloneReport(string Engine, string Snapshot, int Copies, IReadOnlyList<CloneCheck> Checks)
{
    /// <summary>Whether no copy can be told for another.</summary>
    public bool Safe => Checks.All(static c => c.Passed);

    /// <summary>What is the same in some of them, in words; null where nothing is.</summary>
    [JsonIgnore]
    public string? Shared => Safe ? null : string.Join(", ", Checks.Where(static c => !c.Passed).Select(static c => c.Title));

    [JsonIgnore]
    public int ExitCode => Safe ? ExitCodes.Ok : ExitCodes.Failed;

    /// <summary>Compares what they answered.</summary>
    public static CloneReport Of(string engine, string snapshot, IReadOnlyList<CloneAnswers> copies)
    {
        List<CloneCheck> checks = [.. Questions.Select(q => q.Judge(copies)).OfType<CloneCheck>(), Clock(copies)];
        return new(engine, snapshot, copies.Count, checks);
    }

    /// <summary>A clock may be off by the time a host's clock takes to be read and sent; steps of it show otherwise.</summary>
    private static readonly TimeSpan ClockTolerance = TimeSpan.FromMilliseconds(50);

    private static readonly Question[] Questions =
    [
        new("random", "bytes of the kernel's generator"),
        new("kernel-uuid", "uuids of the kernel"),
        new("own-uuid", "names by chance, of a program"),
        new("boot-id", "boot ids"),
        new("machine-id", "machine ids"),
        new("hostname", "host names"),
        new("ports", "ports of outgoing connections", Optional: true),
        new("addresses", "addresses of a program's memory"),
        new("ssh-host-key", "ssh host keys", Optional: true),
    ];

    private static CloneCheck Clock(IReadOnlyList<CloneAnswers> copies)
    {
        var distinct = copies.Select(static c => c.Clock).Distinct().Count();
        var worst = copies.Max(static c => c.ClockError);
        var passed = distinct == copies.Count && worst <= ClockTolerance;
        var detail = worst <= ClockTolerance ? "each right" : worst == TimeSpan.MaxValue ? "one cannot be read" : $"one is wrong by {worst.TotalSeconds:0.000} s";
        return new("clock", "clocks", distinct, copies.Count, passed, detail);
    }

    /// <param name="Optional">Not every image can be asked.</param>
    private sealed record Question(string Name, string Title, bool Optional = false)
    {
        public CloneCheck? Judge(IReadOnlyList<CloneAnswers> copies)
        {
            var answers = copies.Select(c => c.Facts.GetValueOrDefault(Name)).OfType<string>().ToList();
            if (answers.Count == 0 && Optional) return null;
            var distinct = answers.Distinct(StringComparer.Ordinal).Count();
            var twin = answers.GroupBy(static a => a, StringComparer.Ordinal).MaxBy(static g => g.Count());
            var detail = answers.Count < copies.Count ? $"{copies.Count - answers.Count} did not say"
                : distinct < copies.Count ? $"{twin!.Count()} say {twin!.Key}" : $"as {answers[0]}";
            return new(Name, Title, distinct, copies.Count, distinct == copies.Count, detail);
        }
    }
}

/// <summary>One thing that must not be the same in two copies.</summary>
/// <param name="Distinct">Different answers.</param>
/// <param name="Copies">Answers there should be.</param>
/// <param name="Detail">An example, or what is wrong.</param>
internal sealed record CloneCheck(string Name, string Title, int Distinct, int Copies, bool Passed, string Detail);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(CloneReport))]
internal sealed partial class CloneJson : JsonSerializerContext;
