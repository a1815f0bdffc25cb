namespace RunnerVm.Sources.Local;

/// <summary>What a job file may look at outside itself. Relative paths in it start at the current directory, as in a shell.</summary>
internal sealed record JobFileContext
{
    /// <summary>Absolute.</summary>
    public required string CurrentDirectory { get; init; }

    /// <summary>Value of an environment variable, or null when it is not set.</summary>
    public required Func<string, string?> EnvironmentVariable { get; init; }

    /// <summary>Standard input; opened at most once, for the job file (<c>-</c>) or for one secret.</summary>
    public required Func<Stream> OpenStandardInput { get; init; }

    /// <summary>Opens a file for reading; fails as <see cref="File.OpenRead"/> does.</summary>
    public Func<string, Stream> OpenFile { get; init; } = File.OpenRead;

    /// <summary>The real thing.</summary>
    public static JobFileContext FromProcess() => new()
    {
        CurrentDirectory = Environment.CurrentDirectory,
        EnvironmentVariable = Environment.GetEnvironmentVariable,
        OpenStandardInput = Console.OpenStandardInput,
    };

    /// <summary>The absolute form of a path in the file; a leading <c>~/</c> is the home folder.</summary>
    public string Resolve(string path)
    {
        if (path.StartsWith("~/", StringComparison.Ordinal) && EnvironmentVariable("HOME") is { Length: > 0 } home)
        {
            path = Path.Combine(home, path[2..]);
        }

        return Path.GetFullPath(path, CurrentDirectory);
    }
}
