using RunnerVm.Jobs;
using RunnerVm.Options.Yaml;
using RunnerVm.Sources.GitHub;
using RunnerVm.Sources.GitHub.Authentication;
using RunnerVm.Sources.GitHub.Runners;
using RunnerVm.Sources.Local;

namespace RunnerVm.Agents;

/// <content>Repositories, organizations and enterprises of GitHub.</content>
internal sealed partial class AgentFileReader
{
    private const int MostLabels = 100;

    private List<GitHubSourceOptions> ReadGitHub(Fields root, MachineRequest machine, NetworkRequest network)
    {
        var sources = new List<GitHubSourceOptions>();
        if (!root.Has("github")) return sources;
        if (root["github"] is not YamlList { Items.Count: > 0 } list)
        {
            problems.Add(root.PositionOf("github"), "\"github\" should be a list with at least one source: its url, its app or token, and its runners");
            return sources;
        }

        var names = new HashSet<string>();
        foreach (var item in list.Items)
        {
            if (Fields.Read(item, "an entry of \"github\"", AgentVocabulary.GitHub, problems) is not { } fields) continue;
            if (ReadSource(fields, machine, network, names) is { } source) sources.Add(source);
        }

        return sources;
    }

    private GitHubSourceOptions? ReadSource(Fields fields, MachineRequest machine, NetworkRequest network, HashSet<string> names)
    {
        var address = ReadAddress(fields);
        var credential = ReadCredential(fields);
        fields.Choice("mode", AgentVocabulary.GitHubModes, out var mode);
        var repositories = ReadRepositories(fields, address, mode);
        var group = fields.Text("group");
        var interval = fields.Time("check-interval", TimeSpan.FromSeconds(1), TimeSpan.FromHours(1));
        var name = Quoted.Line(fields.Text("name") ?? address?.Scope.WebPath ?? "", 100);
        var runners = ReadGitHubRunners(fields, name, machine, RunnerFields.Network(fields, problems) ?? network, names);
        if (address is null || credential is null) return null;
        return new()
        {
            Name = name, Address = address, Credential = credential, Mode = mode, Group = group, Repositories = repositories, CheckInterval = interval ?? TimeSpan.FromSeconds(10), Runners = runners,
        };
    }

    private GitHubAddress? ReadAddress(Fields fields)
    {
        if (!fields.Has("url"))
        {
            problems.Add(fields.Position, "\"url\" is missing; write the address of a repository or an organization, for example https://github.com/acme");
            return null;
        }

        if (fields.Text("url") is not { } text) return null;
        if (GitHubAddress.TryParse(text, out var address, out var problem)) return address;
        problems.Add(fields["url"]!.Position, $"\"url\": {problem}");
        return null;
    }

    private GitHubCredential? ReadCredential(Fields fields)
    {
        if (fields.Has("app") == fields.Has("token"))
        {
            problems.Add(fields.Position, "needs either \"app\" (a GitHub App: its id and key) or \"token\" ({file: PATH} or {env: NAME})");
            return null;
        }

        try
        {
            if (fields.Has("app")) return ReadApp(fields);
            if (ReadPlace(fields, "token", "token: {file: PATH}") is not { } place) return null;
            return place.Path is { } path ? GitHubCredential.FromFile(path) : GitHubCredential.FromEnvironment(place.Variable!);
        }
        catch (UserException e)
        {
            problems.Add(fields.PositionOf(fields.Has("app") ? "app" : "token"), e.Message);
            return null;
        }
    }

    private GitHubCredential? ReadApp(Fields fields)
    {
        if (Fields.Read(fields["app"]!, "\"app\"", AgentVocabulary.GitHubApp, problems) is not { } app) return null;
        var id = app.Text("id");
        if (id is null && !app.Has("id")) problems.Add(app.Position, "\"id\" is missing; write the App's client id (Iv…) or its number, as its page shows them");
        var installation = app.WholeNumber("installation", 1, int.MaxValue);
        var place = ReadPlace(app, "key", "key: {file: PATH} with the App's private key, the .pem file as GitHub gave it");
        if (place?.Variable is not null) problems.Add(place.Position, "\"key\" should be a file or a credential: environments are seen by more than this program");
        return id is null || place?.Path is null ? null : new GitHubCredential.App(id, AppKey.FromFile(place.Path), installation);
    }

    private List<GitHubScope.Repository> ReadRepositories(Fields fields, GitHubAddress? address, GitHubMode mode)
    {
        if (address?.Scope is GitHubScope.Repository one && !fields.Has("repositories")) return [one];
        var repositories = new List<GitHubScope.Repository>();
        foreach (var text in fields.TextOrList("repositories") ?? [])
        {
            if (text.Split('/') is [{ Length: > 0 } owner, { Length: > 0 } name]) repositories.Add(new(owner, name));
            else problems.Add(fields["repositories"]!.Position, $"\"repositories\": {Quoted.Text(text)} should be OWNER/NAME");
        }

        if (mode == GitHubMode.Polling && repositories.Count == 0 && address is not null)
            problems.Add(fields.PositionOf("mode"), $"\"mode: polling\" needs \"repositories\": GitHub has no list of the queued jobs of an {address.Scope.Title}");
        return repositories;
    }

    private List<GitHubRunnerOptions> ReadGitHubRunners(Fields source, string sourceName, MachineRequest machine, NetworkRequest network, HashSet<string> names)
    {
        var runners = new List<GitHubRunnerOptions>();
        if (source["runners"] is not YamlList { Items.Count: > 0 } list)
        {
            problems.Add(source.PositionOf("runners"), "\"runners\" should be a list with at least one kind of runner: its labels");
            return runners;
        }

        foreach (var item in list.Items)
        {
            if (Fields.Read(item, "an entry of \"runners\"", AgentVocabulary.GitHubRunner, problems) is not { } fields) continue;
            if (ReadLabels(fields) is not [var first, ..] labels) continue;
            if (names.Add($"{sourceName}/{first}")) runners.Add(ReadGitHubRunner(source, fields, $"{sourceName}/{first}", labels, machine, network));
            else problems.Add(fields.PositionOf("labels"), $"two kinds of runner of {Quoted.Text(sourceName)} begin with the label {Quoted.Text(first)}; it names them, so each needs its own");
        }

        return runners;
    }

    private GitHubRunnerOptions ReadGitHubRunner(Fields source, Fields fields, string name, IReadOnlyList<string> labels, MachineRequest machine, NetworkRequest network) => new()
    {
        Name = name,
        // All of the source but its other kinds of runner, which change without this one.
        Fingerprint = YamlFingerprint.Of([_runner, fields.Map, .. source.Map.Entries.Where(static e => e.Key != "runners").OrderBy(static e => e.Key, StringComparer.Ordinal).Select(static e => e.Value)]),
        Labels = labels,
        ScaleSet = fields.Text("scale-set") ?? $"{labels[0]}-{Environment.MachineName.ToLowerInvariant()}",
        Machine = new(fields.Text("image") ?? DefaultGitHubImage, RunnerFields.Size(fields, machine), RunnerFields.Network(fields, problems) ?? network),
        Limit = fields.WholeNumber("limit", 1, MostJobs),
        IdleLimit = fields.Time("idle-limit", TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)) ?? TimeSpan.FromMinutes(5),
        Lifetime = fields.Time("lifetime", TimeSpan.FromMinutes(1), TimeSpan.FromDays(5)) ?? TimeSpan.FromHours(6.5),
    };

    /// <summary>What GitHub takes for a label, told here rather than by a refusal at the first start.</summary>
    private IReadOnlyList<string>? ReadLabels(Fields fields)
    {
        if (!fields.Has("labels"))
        {
            problems.Add(fields.Position, "\"labels\" is missing; write what runs-on: asks for, for example labels: [runnervm-small]");
            return null;
        }

        var labels = fields.TextOrList("labels");
        if (labels is null) return null;
        if (labels.Count is > 0 and <= MostLabels && labels.All(static l => l.Length is > 0 and <= 256 && !l.Any(static c => char.IsControl(c) || c == ','))) return labels;
        problems.Add(fields["labels"]!.Position, $"\"labels\" should be 1 to {MostLabels} words without commas");
        return null;
    }
}
