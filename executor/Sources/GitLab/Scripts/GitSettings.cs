using RunnerVm.Sources.GitLab.Payload;
using RunnerVm.Sources.GitLab.Variables;

namespace RunnerVm.Sources.GitLab.Scripts;

internal enum GitStrategy
{
    Fetch,
    Clone,
    None,

    /// <summary>A folder made empty, and named so.</summary>
    Empty,
}

internal enum SubmoduleStrategy
{
    None,
    Normal,
    Recursive,
}

/// <summary>How a job's sources are got: its GIT_* variables, read once; what cannot be read is told and left at its default.</summary>
internal sealed record GitSettings
{
    public const int DefaultAttempts = 1;
    public const int MostAttempts = 10;

    public required GitStrategy Strategy { get; init; }

    public required bool Checkout { get; init; }

    /// <summary>Empty: no cleaning.</summary>
    public required IReadOnlyList<string> CleanFlags { get; init; }

    public required IReadOnlyList<string> FetchFlags { get; init; }

    public required SubmoduleStrategy Submodules { get; init; }

    /// <summary>0: all of their history.</summary>
    public required int SubmoduleDepth { get; init; }

    public required IReadOnlyList<string> SubmoduleUpdateFlags { get; init; }

    public required IReadOnlyList<string> SubmodulePaths { get; init; }

    public required bool ForceHttps { get; init; }

    public required int Attempts { get; init; }

    /// <summary>Sentences for the log.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }

    public bool HasRepository => Strategy is GitStrategy.Fetch or GitStrategy.Clone;

    /// <exception cref="JobRefusedException">GIT_SUBMODULE_STRATEGY or its paths are wrong.</exception>
    public static GitSettings Read(JobResponse payload, JobVariables variables)
    {
        var warnings = new List<string>();
        var strategy = Strategies(variables.Find("GIT_STRATEGY"), payload.AllowGitFetch ? GitStrategy.Fetch : GitStrategy.Clone, warnings);
        var paths = Words(variables.Find("GIT_SUBMODULE_PATHS") ?? "");
        if (paths is [var only] && only.StartsWith(":(exclude)", StringComparison.Ordinal))
            throw new JobRefusedException($"GIT_SUBMODULE_PATHS is only \"{only}\": an exclusion needs something to exclude from. Write \". {only}\".");
        return new()
        {
            Strategy = strategy,
            Checkout = variables.Flag("GIT_CHECKOUT", true),
            CleanFlags = FlagsOf(variables, "GIT_CLEAN_FLAGS", "-ffdx"),
            FetchFlags = FlagsOf(variables, "GIT_FETCH_EXTRA_FLAGS", "--prune --quiet"),
            Submodules = strategy is GitStrategy.None or GitStrategy.Empty ? SubmoduleStrategy.None : SubmodulesOf(variables.Find("GIT_SUBMODULE_STRATEGY")),
            SubmoduleDepth = variables.Number("GIT_SUBMODULE_DEPTH", payload.GitInfo.Depth, 0, int.MaxValue),
            SubmoduleUpdateFlags = Words(variables.Find("GIT_SUBMODULE_UPDATE_FLAGS") ?? ""),
            SubmodulePaths = paths,
            ForceHttps = variables.Flag("GIT_SUBMODULE_FORCE_HTTPS", false),
            Attempts = variables.Number("GET_SOURCES_ATTEMPTS", DefaultAttempts, 1, MostAttempts),
            Warnings = warnings,
        };
    }

    private static GitStrategy Strategies(string? text, GitStrategy otherwise, List<string> warnings)
    {
        switch (text)
        {
            case null or "":
                return otherwise;
            case "fetch":
                return GitStrategy.Fetch;
            case "clone":
                return GitStrategy.Clone;
            case "none":
                return GitStrategy.None;
            case "empty":
                return GitStrategy.Empty;
            default:
                warnings.Add($"GIT_STRATEGY is \"{text}\", which is none of fetch, clone, none and empty; {otherwise.ToString().ToLowerInvariant()} is used.");
                return otherwise;
        }
    }

    private static SubmoduleStrategy SubmodulesOf(string? text) => text switch
    {
        null or "" or "none" => SubmoduleStrategy.None,
        "normal" => SubmoduleStrategy.Normal,
        "recursive" => SubmoduleStrategy.Recursive,
        _ => throw new JobRefusedException($"GIT_SUBMODULE_STRATEGY is \"{text}\". It may be none, normal or recursive."),
    };

    /// <summary>"none" means no flags at all, for cleaning even no cleaning.</summary>
    private static IReadOnlyList<string> FlagsOf(JobVariables variables, string name, string otherwise) =>
        variables.Text(name, otherwise) is var flags && flags == "none" ? [] : Words(flags);

    private static string[] Words(string text) => text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
}
