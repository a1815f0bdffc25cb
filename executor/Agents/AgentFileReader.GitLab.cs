using RunnerVm.Jobs;
using RunnerVm.Options.Yaml;
using RunnerVm.Sources.GitLab;
using RunnerVm.Sources.GitLab.Traces;
using RunnerVm.Sources.GitLab.Wire;
using RunnerVm.Sources.Local;

namespace RunnerVm.Agents;

/// <content>Runners of GitLab instances.</content>
internal sealed partial class AgentFileReader
{
    private const string DefaultImage = "debian-12";

    private List<GitLabRunnerOptions> ReadGitLab(Fields root, MachineRequest machine, NetworkRequest network)
    {
        var runners = new List<GitLabRunnerOptions>();
        if (!root.Has("gitlab")) return runners;
        if (root["gitlab"] is not YamlList { Items.Count: > 0 } list)
        {
            problems.Add(root.PositionOf("gitlab"), "\"gitlab\" should be a list with at least one runner: its url and token");
            return runners;
        }

        foreach (var item in list.Items)
        {
            if (Fields.Read(item, "an entry of \"gitlab\"", AgentVocabulary.GitLab, problems) is not { } fields) continue;
            if (ReadRunner(fields, machine, network) is not { } runner) continue;
            if (runners.Any(other => other.Name == runner.Name)) problems.Add(fields.PositionOf("name"), $"two runners are called {Quoted.Text(runner.Name)}; give each a \"name\" of its own");
            else runners.Add(runner);
        }

        return runners;
    }

    private GitLabRunnerOptions? ReadRunner(Fields fields, MachineRequest machine, NetworkRequest network)
    {
        var url = ReadUrl(fields);
        var token = ReadSecret(fields, "token", "token: {file: PATH} or token: {env: NAME} with the runner's glrt- token in it");
        var images = ReadImages(fields, machine, RunnerFields.Network(fields, problems) ?? network);
        var limit = fields.WholeNumber("limit", 1, MostJobs);
        var interval = fields.Time("check-interval", TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1));
        var logLimit = fields.Size("log-limit", 1 << 10, 1L << 30);
        var sources = fields.Time("get-sources-timeout", TimeSpan.FromSeconds(1), TimeSpan.FromHours(24));
        var name = fields.Text("name") ?? url?.Host;
        var caFile = ReadCaFile(fields);
        if (url is null || token is null || name is null) return null;
        return new()
        {
            Name = Quoted.Line(name, 200),
            Server = new(url, caFile),
            Token = token,
            Images = images,
            Limit = limit,
            CheckInterval = interval ?? TimeSpan.FromSeconds(3),
            GetSourcesTimeout = sources,
            LogLimitBytes = logLimit ?? TraceOptions.DefaultLimitBytes,
            Fingerprint = YamlFingerprint.Of([_runner, fields.Map], token),
        };
    }

    private Uri? ReadUrl(Fields fields)
    {
        if (!fields.Has("url"))
        {
            problems.Add(fields.Position, "\"url\" is missing; write the address of the GitLab instance, for example https://gitlab.example.com");
            return null;
        }

        if (fields.Text("url") is not { } text) return null;
        if (Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https" && url.UserInfo.Length == 0 && url.Query.Length == 0) return url;
        problems.Add(fields["url"]!.Position, $"\"url\" should be an http or https address such as https://gitlab.example.com, found {Quoted.Text(text)}");
        return null;
    }

    private string? ReadCaFile(Fields fields)
    {
        if (fields.Text("ca-file") is not { } path) return null;
        if (!File.Exists(path)) problems.Add(fields["ca-file"]!.Position, $"\"ca-file\": there is no file {Quoted.Path(path)}");
        return Path.GetFullPath(path);
    }

    private ImageRules ReadImages(Fields fields, MachineRequest machine, NetworkRequest network)
    {
        var fallback = new MachineClass(fields.Text("image") ?? DefaultImage, machine, network);
        var rules = new List<ImageRule>();
        var value = fields["images"];
        if (value is not (null or YamlList)) problems.Add(value.Position, $"\"images\" should be a list of maps with match and image, found {value.Kind}");
        foreach (var item in (value as YamlList)?.Items ?? [])
        {
            if (Fields.Read(item, "an entry of \"images\"", AgentVocabulary.Image, problems) is not { } rule) continue;
            if (!rule.Has("match")) problems.Add(rule.Position, "\"match\" is missing; write an image's name, * for any text, for example \"node:*\"");
            else if (rule.Text("match") is { } pattern)
                rules.Add(new(pattern, new(rule.Text("image") ?? fallback.Image, RunnerFields.Size(rule, machine), RunnerFields.Network(rule, problems) ?? network)));
        }

        return new(fallback, rules, fields.Choice("unknown-images", AgentVocabulary.UnknownImages, out var useDefault) && useDefault);
    }
}
