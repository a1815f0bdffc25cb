using System.Text.Json;
using System.Text.RegularExpressions;
using RunnerVm.Jobs;
using RunnerVm.Sources.Local;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.Local;

/// <summary>The schema and the reader know the same words, and every example is a right job file.</summary>
public sealed class JobFileSchemaTests : IDisposable
{
    private readonly JsonDocument schema = JsonDocument.Parse(File.ReadAllText(RepositoryFiles.PathOf("config", "job.schema.json")));

    public static TheoryData<string> Examples =>
        [.. Directory.GetFiles(RepositoryFiles.PathOf("examples"), "*.yml").Select(path => Path.GetFileName(path)).Where(IsJobFile).Order()];

    public void Dispose() => schema.Dispose();

    [Fact]
    public void Both_know_the_same_keys()
    {
        var definitions = schema.RootElement.GetProperty("$defs");
        Assert.Equal(Vocabulary.Document, KeysOf(schema.RootElement));
        Assert.Equal(Vocabulary.Job, KeysOf(definitions.GetProperty("job")));
        Assert.Equal(Vocabulary.Step, KeysOf(definitions.GetProperty("step")));
        Assert.Equal(Vocabulary.Secret, KeysOf(definitions.GetProperty("secret")));
        Assert.Equal(Vocabulary.Workspace, KeysOf(definitions.GetProperty("workspace")));
        Assert.Equal(Vocabulary.Artifacts, KeysOf(definitions.GetProperty("artifacts")));
        Assert.Equal(Vocabulary.Runner, KeysOf(definitions.GetProperty("runner")));
        Assert.Equal(Vocabulary.Network, KeysOf(definitions.GetProperty("network")));

        // "env" is the one map with free keys; any other new map has to be added above.
        Assert.Equal(
            ["artifacts", "env", "job", "network", "runner", "secret", "step", "workspace"],
            definitions.EnumerateObject().Select(d => d.Name).Order());
    }

    [Fact]
    public void Both_know_the_same_values()
    {
        Assert.Equal(Vocabulary.Engines.Keys, WordsAt("runner", "executor"));
        Assert.Equal(Vocabulary.Isolations.Keys, WordsAt("runner", "isolation"));
        Assert.Equal(Vocabulary.NetworkModes.Keys, WordsAt("network", "mode"));
        Assert.Equal(Vocabulary.Conditions.Keys, WordsAt("step", "if"));
        Assert.Equal(Vocabulary.Occasions.Keys, WordsAt("artifacts", "when"));
        Assert.Equal(Vocabulary.Networks.Keys, WordsAt("runner", "network"));
    }

    [Fact]
    public void Both_know_the_same_defaults()
    {
        Assert.Equal("debian-12", DefaultAt("job", "image"));
        Assert.Equal(RunnerVm.Options.Duration.Format(new Job { Id = "", Name = "", Image = "", Steps = [] }.Timeout), DefaultAt("job", "timeout"));
        var machine = new MachineRequest();
        Assert.Equal(machine.Engine, DefaultAt("runner", "executor"));
        Assert.Equal(Isolation.Kernel, Vocabulary.Isolations[DefaultAt("runner", "isolation")]);
        Assert.Equal($"{machine.Cpus}", DefaultAt("runner", "cpus"));
        Assert.Equal(RunnerVm.Options.ByteSize.Format((long)machine.MemoryMib << 20), DefaultAt("runner", "memory"));
        Assert.Equal(RunnerVm.Options.ByteSize.Format(machine.DiskBytes), DefaultAt("runner", "disk"));
        Assert.Equal(NetworkRequest.OpenInternet, Vocabulary.Networks[DefaultAt("runner", "network")]);
    }

    [Fact]
    public void Every_key_is_described()
    {
        var silent = schema.RootElement.GetProperty("$defs").EnumerateObject()
            .Where(d => d.Value.TryGetProperty("properties", out _))
            .SelectMany(d => d.Value.GetProperty("properties").EnumerateObject().Select(p => (Path: $"{d.Name}.{p.Name}", p.Value)))
            .Where(p => !p.Value.TryGetProperty("description", out _))
            .Select(p => p.Path);
        Assert.Empty(silent);
    }

    [Theory]
    [InlineData("runner", "memory", "1.5g", "2048MB", "2GiB", "512M", "100 bytes")]
    [InlineData("job", "timeout", "30m", "1h30m", "90s", "2 hours 30 minutes", "1h 30 min")]
    public void The_schemas_patterns_take_what_the_reader_takes(string definition, string key, params string[] written)
    {
        var pattern = Property(definition, key).GetProperty("pattern").GetString()!;
        Assert.All(written, text => Assert.Matches(pattern, text));
        Assert.DoesNotMatch(new Regex(pattern), "2048");
    }

    [Theory, MemberData(nameof(Examples))]
    public void Every_example_loads(string example)
    {
        var context = JobFileContext.FromProcess() with
        {
            CurrentDirectory = RepositoryFiles.Root,
            EnvironmentVariable = name => name == "DEPLOY_TOKEN" ? "correct-horse" : null,
        };
        var job = JobFile.Load("examples/" + example, context);
        Assert.NotEmpty(job.Steps);
    }

    [Fact]
    public void There_are_examples() => Assert.True(Examples.Count >= 7);

    /// <summary>Later issues put workflows and pipelines beside the job files.</summary>
    private static bool IsJobFile(string name) => !name.Contains("workflow") && !name.Contains("pipeline") && !name.StartsWith('.');

    private static IEnumerable<string> KeysOf(JsonElement map)
    {
        Assert.False(map.GetProperty("additionalProperties").GetBoolean());
        return map.GetProperty("properties").EnumerateObject().Select(p => p.Name);
    }

    private JsonElement Property(string definition, string key) =>
        schema.RootElement.GetProperty("$defs").GetProperty(definition).GetProperty("properties").GetProperty(key);

    private string DefaultAt(string definition, string key) => Property(definition, key).GetProperty("default").ToString();

    private IEnumerable<string?> WordsAt(string definition, string key)
    {
        var property = Property(definition, key);
        var words = property.TryGetProperty("enum", out var direct)
            ? direct
            : property.GetProperty("oneOf").EnumerateArray().Single(o => o.TryGetProperty("enum", out _)).GetProperty("enum");
        return words.EnumerateArray().Select(w => w.GetString());
    }
}
