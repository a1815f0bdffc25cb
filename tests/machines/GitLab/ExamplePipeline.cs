using RunnerVm.Sources.GitLab.Payload;
using YamlDotNet.RepresentationModel;

namespace RunnerVm.Tests.Machines.GitLab;

/// <summary>The part of GitLab that turns <c>.gitlab-ci.yml</c> into a job's payload, as far as the example needs it.</summary>
internal sealed class ExamplePipeline
{
    private readonly YamlMappingNode _root;

    public ExamplePipeline(string path)
    {
        var yaml = new YamlStream();
        using var reader = File.OpenText(path);
        yaml.Load(reader);
        _root = (YamlMappingNode)yaml.Documents[0].RootNode;
    }

    public JobResponse Fill(string name, JobResponse payload)
    {
        var job = Map(_root, name)!;
        var artifacts = Map(job, "artifacts");
        return payload with
        {
            Variables = [.. Map(_root, "variables")!.Children.Select(static v => new JobVariable(Text(v.Key), Text(v.Value), true, false, false, false)), new("CI_COMMIT_SHORT_SHA", payload.GitInfo.Sha[..8], true, false, false, false)],
            Steps = [new() { Name = "script", Script = Texts(job, "script") }, new() { Name = "after_script", Script = Texts(job, "after_script") }],
            Cache = Map(job, "cache") is { } cache ? [new() { Key = Text(cache.Children["key"]), Paths = Texts(cache, "paths") }] : [],
            Artifacts =
            [
                .. artifacts is not null && Texts(artifacts, "paths") is { Count: > 0 } paths ? new JobArtifacts[] { new() { Paths = paths, ArtifactType = "archive", ArtifactFormat = "zip", ExpireIn = Text(artifacts.Children["expire_in"]) } } : [],
                .. artifacts is not null && Map(artifacts, "reports") is { } reports ? new JobArtifacts[] { new() { Name = "junit.xml", Paths = [Text(reports.Children["junit"])], When = "always", ArtifactType = "junit", ArtifactFormat = "gzip" } } : [],
            ],
        };
    }

    private static YamlMappingNode? Map(YamlMappingNode map, string key) => map.Children.TryGetValue(key, out var node) ? (YamlMappingNode)node : null;

    private static string Text(YamlNode node) => ((YamlScalarNode)node).Value!;

    private static List<string> Texts(YamlMappingNode map, string key) =>
        map.Children.TryGetValue(key, out var node) ? [.. ((YamlSequenceNode)node).Children.Select(Text)] : [];
}
