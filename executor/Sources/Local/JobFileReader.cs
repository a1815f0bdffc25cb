using RunnerVm.Jobs;
using RunnerVm.Options.Yaml;

namespace RunnerVm.Sources.Local;

/// <summary>
/// From the tree of a job file to a <see cref="Job"/>. Reports every problem it meets and goes on; the job it returns
/// is worth something only when there was none.
/// </summary>
internal sealed partial class JobFileReader(JobFileContext context, FileProblems problems, bool standardInputIsTheFile)
{
    private const string DefaultImage = "debian-12";

    private const int MaximumNameLength = 200;

    public Job Read(YamlValue document, string defaultName)
    {
        var nothing = new Job { Id = "", Name = "", Image = "", Steps = [] };
        if (Fields.Read(document, "the job file", Vocabulary.Document, problems) is not { } root) return nothing;
        if (root["job"] is not { } jobValue)
        {
            problems.Add(root.Position, "\"job\" is missing; it says what to run, for example with \"script\"");
            jobValue = new YamlMap(root.Position, []);
            if (root["runner"] is { } lone) ReadRunner(lone);
            return nothing;
        }

        var job = Fields.Read(jobValue, "\"job\"", Vocabulary.Job, problems);
        var runner = root["runner"] is { } runnerValue ? ReadRunner(runnerValue) : null;
        if (job is null) return nothing;

        var name = ReadName(job) ?? defaultName;
        var environment = ReadEnvironment(job);
        return ApplyRunner(runner, job, new Job
        {
            Id = JobId.New(name),
            Name = name,
            Image = ReadImage(job),
            Steps = ReadSteps(job),
            Environment = environment,
            Secrets = ReadSecrets(job, environment),
            Workspace = ReadWorkspace(job),
            Artifacts = ReadArtifacts(job),
        });
    }

    private string? ReadName(Fields job)
    {
        if (job.Text("name") is not { } name) return null;
        if (name.Length > MaximumNameLength || name.Any(char.IsControl))
        {
            problems.Add(job["name"]!.Position, $"\"name\" should be one line of at most {MaximumNameLength} characters");
        }

        return name;
    }

    private string ReadImage(Fields job)
    {
        if (job.Text("image") is not { } image) return DefaultImage;
        var plain = image.Length <= 64 && char.IsAsciiLetterOrDigit(image[0])
            && image.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '_' or '.');
        if (!plain)
        {
            problems.Add(
                job["image"]!.Position,
                $"\"image\" should name a recipe below job-images such as {DefaultImage} (see runnervm image ls), found {Quoted.Text(image)}");
        }

        return image;
    }

    private Dictionary<string, string> ReadEnvironment(Fields fields)
    {
        var environment = new Dictionary<string, string>();
        if (fields["env"] is not { IsNull: false } value) return environment;
        if (value is not YamlMap map)
        {
            problems.Add(value.Position, $"\"env\" should be a map of names and values, found {value.Kind}");
            return environment;
        }

        foreach (var (position, name, content) in Fields.Unique(map, "\"env\"", problems))
        {
            if (CheckVariableName(position, name) && ReadVariable(name, content) is { } text) environment.Add(name, text);
        }

        return environment;
    }

    private string? ReadVariable(string name, YamlValue content)
    {
        if (content.IsNull) return "";
        if (content is YamlText text) return text.Text;
        problems.Add(content.Position, $"the value of {name} should be text, found {content.Kind}; put quotes around it");
        return null;
    }

    private bool CheckVariableName(FilePosition position, string name)
    {
        var valid = name.Length > 0 && !char.IsAsciiDigit(name[0]) && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_');
        if (valid) return true;

        // What follows an equals sign may be a secret that strayed here.
        var shown = name.Contains('=') ? "what stands here" : Quoted.Text(name);
        problems.Add(position, $"{shown} is no name of a variable; use letters, digits and _, not a digit first");
        return false;
    }

    private static TimeSpan? ReadTimeout(Fields fields) =>
        fields.Time("timeout", JobFileLimits.ShortestTimeout, JobFileLimits.LongestTimeout);
}
