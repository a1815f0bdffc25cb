namespace RunnerVm.Logs;

/// <summary>Where a <see cref="ConsoleSink"/> writes and what can be shown there.</summary>
internal sealed record ConsoleSettings
{
    /// <summary>Takes the job's standard output and nothing else. Not disposed by the sink.</summary>
    public required Stream Output { get; init; }

    /// <summary>Takes the job's standard error and all we say. Not disposed by the sink.</summary>
    public required Stream Error { get; init; }

    public bool OutputIsTerminal { get; init; }

    public bool ErrorIsTerminal { get; init; }

    /// <summary>Lines of ours may be coloured.</summary>
    public bool Color { get; init; }

    /// <summary>Lines may be drawn over: progress bars, the phase at work.</summary>
    public bool Animate { get; init; }

    /// <summary>The terminal shows more than ASCII.</summary>
    public bool Unicode { get; init; }

    /// <summary>Say nothing but why a job did not succeed.</summary>
    public bool Quiet { get; init; }

    /// <summary>End with a table of phases.</summary>
    public bool Timings { get; init; }

    /// <summary>Width of the terminal; lines that are drawn over stay below it.</summary>
    public int Columns { get; init; } = 80;

    /// <summary>This process's own streams, with what its environment says of them.</summary>
    public static ConsoleSettings ForProcess() => ForEnvironment(
        Console.OpenStandardOutput(), Console.OpenStandardError(), !Console.IsOutputRedirected, !Console.IsErrorRedirected,
        Environment.GetEnvironmentVariable);

    /// <summary>NO_COLOR (no-color.org), TERM and the locale decide what is drawn.</summary>
    public static ConsoleSettings ForEnvironment(
        Stream output, Stream error, bool outputIsTerminal, bool errorIsTerminal, Func<string, string?> variable)
    {
        bool capable = errorIsTerminal && variable("TERM") is { Length: > 0 } and not "dumb";
        string[] locales = [.. ((string[])["LC_ALL", "LC_CTYPE", "LANG"]).Select(name => variable(name) ?? "")];
        string locale = locales.FirstOrDefault(value => value.Length > 0, "");
        return new ConsoleSettings
        {
            Output = output,
            Error = error,
            OutputIsTerminal = outputIsTerminal,
            ErrorIsTerminal = errorIsTerminal,
            Color = capable && string.IsNullOrEmpty(variable("NO_COLOR")),
            Animate = capable,
            Unicode = locale.Contains("utf-8", StringComparison.OrdinalIgnoreCase) || locale.Contains("utf8", StringComparison.OrdinalIgnoreCase),
            Columns = int.TryParse(variable("COLUMNS"), out int columns) && columns >= 20 ? columns : 80,
        };
    }
}
