using RunnerVm.Jobs;
using RunnerVm.Options.Yaml;

namespace RunnerVm.Sources.Local;

/// <content>What goes into the guest and what comes out of it.</content>
internal sealed partial class JobFileReader
{
    /// <summary>Absent or <c>true</c>: the current directory. <c>none</c> or <c>false</c>: an empty one.</summary>
    private Workspace? ReadWorkspace(Fields job)
    {
        switch (job["workspace"])
        {
            case null or YamlText { Text: "true", IsPlain: true }:
                return new Workspace(context.CurrentDirectory);
            case YamlText { Text: "none" or "false", IsPlain: true }:
                return null;
            case YamlMap map:
                var fields = Fields.Read(map, "\"workspace\"", Vocabulary.Workspace, problems)!;
                var path = fields.Text("path");
                var folder = path is null ? context.CurrentDirectory : ResolveFolder(path, fields["path"]!.Position);
                return new Workspace(folder, fields.Flag("all") ?? false);
            case YamlText { IsNull: false, Text.Length: > 0 } text:
                return new Workspace(ResolveFolder(text.Text, text.Position));
            case var other:
                problems.Add(other.Position, $"\"workspace\" should be a path, none, or a map with path and all, found {other.Kind}");
                return null;
        }
    }

    private string ResolveFolder(string path, FilePosition position)
    {
        var folder = context.Resolve(path);
        if (!Directory.Exists(folder)) problems.Add(position, $"\"workspace\": there is no folder {Quoted.Path(folder)}");
        return folder;
    }

    private ArtifactRequest? ReadArtifacts(Fields job)
    {
        if (job["artifacts"] is not { IsNull: false } value) return null;
        if (value is not YamlMap)
        {
            return new ArtifactRequest { Paths = CheckGlobs(job.TextOrList("artifacts"), value) };
        }

        var fields = Fields.Read(value, "\"artifacts\"", Vocabulary.Artifacts, problems)!;
        if (!fields.Has("paths")) problems.Add(fields.Position, "\"artifacts\" needs \"paths\"");
        fields.Choice("when", Vocabulary.Occasions, out var when);
        return new ArtifactRequest
        {
            Paths = CheckGlobs(fields.TextOrList("paths"), fields["paths"]),
            Exclude = CheckGlobs(fields.TextOrList("exclude"), fields["exclude"]),
            When = when,
        };
    }

    private IReadOnlyList<string> CheckGlobs(IReadOnlyList<string>? globs, YamlValue? source)
    {
        if (globs is null || source is null) return [];
        foreach (var text in source is YamlList list ? list.Items.OfType<YamlText>() : [(YamlText)source])
        {
            if (text.Text.StartsWith('/') || text.Text.Split('/').Contains(".."))
            {
                problems.Add(text.Position, $"artifacts are relative to the workspace and stay in it, found {Quoted.Text(text.Text)}");
            }
        }

        return globs;
    }
}
