using System.Globalization;
using RunnerVm.Guests;
using RunnerVm.Sources.GitHub.Runners;

namespace RunnerVm.Sources.GitHub.Hooks;

/// <summary>
/// What a hook told, by its words. Any program of the job may say the same and anything else, so it is text for people and no
/// more: every part is one bounded line of plain characters.
/// </summary>
internal static class HookWords
{
    public const string JobStarted = "job-started";
    public const string JobCompleted = "job-completed";
    public const string Step = "step";

    /// <summary>Of the worker's diagnostic log, and a pattern of grep's as well.</summary>
    public const string StepBegins = "StepsRunner. Processing step: DisplayName=";

    public const string StepEnds = "StepsRunner. .*current step result ";

    /// <returns>Null: it is not as our hook says it.</returns>
    public static GitHubJobFacts? ReadJob(IReadOnlyList<string> arguments)
    {
        if (arguments is not [JobStarted, var repository, var run, var attempt, var workflow, var job]) return null;
        if (!long.TryParse(run, NumberStyles.None, CultureInfo.InvariantCulture, out var runId)) return null;
        _ = int.TryParse(attempt, NumberStyles.None, CultureInfo.InvariantCulture, out var attempts);
        return new(UntrustedText.Line(repository), UntrustedText.Line(job), runId) { Workflow = UntrustedText.Line(workflow), Attempt = attempts };
    }

    /// <summary>A line of the worker's log.</summary>
    public static StepWord? ReadStep(IReadOnlyList<string> arguments)
    {
        if (arguments is not [Step, var line]) return null;
        if (Quoted(line, "Processing step: DisplayName=") is { } name) return new(name, null);
        return Quoted(line, "current step result ") is { } result ? new(null, result) : null;
    }

    /// <summary>What stands in quotes after a word, up to the line's last quote: a step's name may have some of its own.</summary>
    private static string? Quoted(string line, string word)
    {
        var at = line.IndexOf(word + "'", StringComparison.Ordinal);
        var end = line.LastIndexOf('\'');
        var start = at + word.Length + 1;
        return at >= 0 && end >= start ? UntrustedText.Line(line[start..end]) : null;
    }
}

/// <summary>A step of GitHub's begins, or the one that runs has ended. Exactly one is set.</summary>
/// <param name="Result">Succeeded, Failed, Skipped, Canceled.</param>
internal readonly record struct StepWord(string? Begins, string? Result);
