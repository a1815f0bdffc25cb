using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using RunnerVm.Sources.GitLab.Payload;

namespace RunnerVm.Sources.GitLab.Variables;

/// <summary>
/// A job's variables, expanded, the last of a name winning. Only the script and settings such as GIT_STRATEGY are read
/// from here: a job can shadow any of them, so where it runs and what it may reach is decided by the payload's fields.
/// </summary>
internal sealed class JobVariables
{
    /// <summary>All values together; the machine's memory holds them, and every stage's script once more.</summary>
    private const int MostCharacters = 64 << 20;

    private readonly Dictionary<string, JobVariable> _byName = [];

    /// <param name="given">In order of precedence, the winning ones last.</param>
    /// <param name="filePath">Where the content of a file variable lies in the guest, by its name.</param>
    /// <exception cref="JobRefusedException">Expanded they are too large.</exception>
    public JobVariables(IEnumerable<JobVariable> given, Func<string, string> filePath)
    {
        var last = new Dictionary<string, JobVariable>();
        var order = new List<string>();
        foreach (var variable in given)
        {
            if (!last.ContainsKey(variable.Key)) order.Add(variable.Key);
            last[variable.Key] = variable;
        }

        string? Unexpanded(string name) => last.TryGetValue(name, out var found) ? found.File ? filePath(name) : found.Value : null;
        long characters = 0;
        foreach (var name in order)
        {
            var variable = last[name];
            var value = variable.Raw ? variable.Value : VariableExpansion.Expand(variable.Value, Unexpanded);
            characters += value.Length;
            if (characters > MostCharacters)
                throw new JobRefusedException($"The job's variables are longer than {MostCharacters >> 20} MiB once they are expanded, {name} among them. Put large data into a file of the repository or a package.");
            _byName[name] = variable with { Value = value };
        }

        Ordered = [.. order.Select(name => _byName[name])];
        FilePath = filePath;
    }

    /// <summary>Each name once, in the order of first mention.</summary>
    public IReadOnlyList<JobVariable> Ordered { get; }

    public Func<string, string> FilePath { get; }

    /// <summary>What a log may not show.</summary>
    public IEnumerable<string> Masked => Ordered.Where(static v => v.Masked).Select(static v => v.Value);

    /// <summary>What the job itself sees by that name: of a file variable the path.</summary>
    public string? Find(string name) => _byName.TryGetValue(name, out var found) ? found.File ? FilePath(name) : found.Value : null;

    /// <summary>A setting; an empty one is none.</summary>
    public string Text(string name, string otherwise) => Find(name) is { Length: > 0 } value ? value : otherwise;

    /// <summary>A switch as GitLab reads it; what is neither yes nor no is <paramref name="otherwise"/>.</summary>
    public bool Flag(string name, bool otherwise) => TryFlag(Find(name), out var value) ? value : otherwise;

    /// <summary>A whole number within bounds; anything else is <paramref name="otherwise"/>.</summary>
    public int Number(string name, int otherwise, int least, int most) =>
        int.TryParse(Find(name), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) ? Math.Clamp(value, least, most) : otherwise;

    public string Expand(string text) => VariableExpansion.Expand(text, Find);

    /// <summary>These with more of them, which win and are taken as they stand.</summary>
    public JobVariables With(params ReadOnlySpan<(string Name, string Value)> more)
    {
        var all = new List<JobVariable>();
        // What has been expanded once is text from then on.
        foreach (var variable in Ordered) all.Add(variable with { Raw = true });
        foreach (var (name, value) in more) all.Add(Own(name, value));
        return new(all, FilePath);
    }

    /// <summary>A variable of the runner's making.</summary>
    public static JobVariable Own(string name, string value) => new(name, value, Public: true, File: false, Masked: false, Raw: true);

    private static bool TryFlag([NotNullWhen(true)] string? text, out bool value)
    {
        value = text is "1" or "t" or "T" or "true" or "True" or "TRUE";
        return value || text is "0" or "f" or "F" or "false" or "False" or "FALSE";
    }
}
