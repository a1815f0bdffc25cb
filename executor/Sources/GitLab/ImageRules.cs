using System.Text.RegularExpressions;
using RunnerVm.Jobs;

namespace RunnerVm.Sources.GitLab;

/// <summary>What a job's <c>image:</c> becomes: the first rule that matches decides recipe and size.</summary>
/// <param name="Fallback">For a job without an image.</param>
/// <param name="UnknownUsesFallback">Whether an image that no rule knows gets <paramref name="Fallback"/> too, or is refused.</param>
internal sealed record ImageRules(MachineClass Fallback, IReadOnlyList<ImageRule> Rules, bool UnknownUsesFallback)
{
    /// <summary>The largest machine any job may get.</summary>
    public MachineSize Largest =>
        Rules.Aggregate(MachineSize.Of(Fallback.Request), static (size, rule) => MachineSize.Largest(size, MachineSize.Of(rule.Machine.Request)));

    /// <summary>Every machine a job may get.</summary>
    public IEnumerable<MachineClass> Classes => Rules.Select(static rule => rule.Machine).Prepend(Fallback);

    /// <summary>Null when the image is unknown and unknown ones are refused.</summary>
    /// <param name="image">As the job has it; null or empty when it has none.</param>
    public MachineClass? Choose(string? image)
    {
        if (string.IsNullOrEmpty(image)) return Fallback;
        return Rules.FirstOrDefault(rule => rule.Matches(image))?.Machine ?? (UnknownUsesFallback ? Fallback : null);
    }

    /// <summary>For whoever asked for an unknown one.</summary>
    public string Known => Rules.Count == 0 ? "none at all" : string.Join(", ", Rules.Select(static rule => rule.Pattern));
}

/// <param name="Pattern">An image name in which <c>*</c> stands for any text.</param>
internal sealed record ImageRule(string Pattern, MachineClass Machine)
{
    private readonly Regex _pattern = new(
        $"^{Regex.Escape(Pattern).Replace("\\*", ".*", StringComparison.Ordinal)}$", RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | RegexOptions.Singleline);

    public bool Matches(string image) => _pattern.IsMatch(image);
}
