using RunnerVm.Jobs;
using RunnerVm.Options.Yaml;

namespace RunnerVm.Agents;

/// <summary>The configuration of <c>runnervm agent</c>. Its format is described for editors in <c>config/agent.schema.json</c>; a test holds the two together.</summary>
internal static class AgentFile
{
    /// <summary>Reads and checks <paramref name="path"/>; tokens have their values.</summary>
    /// <exception cref="UserException">
    /// With <see cref="ExitCodes.BadFile"/>: it cannot be read, or all that is wrong in it, one line each as <c>path:line:column: message</c>.
    /// </exception>
    public static AgentOptions Load(string path, AgentFileContext context)
    {
        var problems = new FileProblems(path,
            ("capacity", AgentVocabulary.Capacity), ("runner", AgentVocabulary.Runner), ("logs", AgentVocabulary.Logs), ("an entry of gitlab", AgentVocabulary.GitLab), ("an entry of github", AgentVocabulary.GitHub),
            ("an entry of runners", AgentVocabulary.GitHubRunner), ("an entry of images", [.. AgentVocabulary.Image.Union(AgentVocabulary.WarmImage)]));
        var document = YamlFile.Read(() => context.OpenFile(path), path, "agent's configuration", "a map with \"gitlab\" or \"github\"", problems);
        var options = new AgentFileReader(context, problems).Read(document);
        problems.ThrowIfAny();
        return options;
    }
}

/// <summary>What the configuration may look at outside itself.</summary>
internal sealed record AgentFileContext
{
    /// <summary>What the host has; the default of what jobs may have.</summary>
    public required MachineSize Host { get; init; }

    public required Func<string, string?> EnvironmentVariable { get; init; }

    /// <summary>Opens a file for reading; fails as <see cref="File.OpenRead"/> does.</summary>
    public Func<string, Stream> OpenFile { get; init; } = File.OpenRead;

    public static AgentFileContext FromProcess() => new()
    {
        Host = new(Environment.ProcessorCount, (int)(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 20)),
        EnvironmentVariable = Environment.GetEnvironmentVariable,
    };
}
