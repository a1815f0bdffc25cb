using System.Text;
using RunnerVm.Jobs;
using RunnerVm.Options.Yaml;

namespace RunnerVm.Sources.Local;

/// <content>Secrets: names in the file, values from elsewhere. No message may show a value.</content>
internal sealed partial class JobFileReader
{
    /// <summary>Masking anything shorter would black out half the log.</summary>
    private const int MinimumSecretLength = 4;

    private const int MaximumSecretBytes = 64 << 10;

    private bool aSecretTookStandardInput;

    private List<Secret> ReadSecrets(Fields job, Dictionary<string, string> environment)
    {
        var secrets = new List<Secret>();
        if (job["secrets"] is not { IsNull: false } value) return secrets;
        var entries = value switch
        {
            YamlList list => NamesIn(list),
            YamlMap map => Fields.Unique(map, "\"secrets\"", problems),
            _ => [],
        };
        if (value is YamlText)
        {
            problems.Add(value.Position, "\"secrets\" should be a list of names, or a map of names and where each value comes from, found text");
        }

        foreach (var (position, name, source) in entries)
        {
            if (!CheckVariableName(position, name)) continue;
            if (environment.ContainsKey(name)) problems.Add(position, $"{name} is in \"env\" and in \"secrets\"; drop one of them");
            if (ReadSecretValue(position, name, source) is { } text) secrets.Add(new Secret(name, text));
        }

        return secrets;
    }

    /// <summary><c>- NAME</c> is short for <c>NAME: {env: NAME}</c>.</summary>
    private IEnumerable<YamlEntry> NamesIn(YamlList list)
    {
        var entries = new List<YamlEntry>();
        foreach (var item in list.Items)
        {
            if (Scalars.Text(item, "an entry of \"secrets\"", problems) is not { } name) continue;
            var source = new YamlEntry(item.Position, "env", new YamlText(item.Position, name, isPlain: false));
            entries.Add(new(item.Position, name, new YamlMap(item.Position, [source])));
        }

        return Fields.Unique(new YamlMap(list.Position, entries), "\"secrets\"", problems);
    }

    private string? ReadSecretValue(FilePosition position, string name, YamlValue source)
    {
        if (source is not YamlMap)
        {
            problems.Add(
                source.Position,
                $"the value of {name} does not belong in this file, which is copied and committed; "
                + $"write {{env: {name}}}, {{file: path}} or {{stdin: true}}");
            return null;
        }

        if (Fields.Read(source, $"the source of {name}", Vocabulary.Secret, problems) is not { } fields) return null;
        var named = Vocabulary.Secret.Where(fields.Has).ToList();
        if (named.Count != 1)
        {
            problems.Add(fields.Position, $"{name} should have exactly one source: {Quoted.Names(Vocabulary.Secret)}");
            return null;
        }

        var value = named[0] switch
        {
            "env" => SecretFromEnvironment(fields, name),
            "file" => SecretFromFile(fields, name),
            _ => SecretFromStandardInput(fields, name),
        };
        return value is not null && CheckSecret(position, name, value) ? value : null;
    }

    private string? SecretFromEnvironment(Fields fields, string name)
    {
        if (fields.Text("env") is not { } variable) return null;
        var value = context.EnvironmentVariable(variable);
        if (value is null)
        {
            problems.Add(fields["env"]!.Position, $"{name} comes from the environment variable {Quoted.Text(variable)}, which is not set");
        }

        return value;
    }

    private string? SecretFromFile(Fields fields, string name) => fields.Text("file") is { } path
        ? SecretFromStream(fields["file"]!.Position, name, $"file {Quoted.Path(path)}", () => context.OpenFile(context.Resolve(path)))
        : null;

    private string? SecretFromStandardInput(Fields fields, string name)
    {
        var wanted = fields.Flag("stdin");
        if (wanted is null) return null;
        var position = fields["stdin"]!.Position;
        if (wanted is false)
        {
            problems.Add(position, "\"stdin\" should be true");
            return null;
        }

        if (standardInputIsTheFile || aSecretTookStandardInput)
        {
            var by = standardInputIsTheFile ? "the job file itself" : "another secret";
            problems.Add(position, $"{name} cannot come from standard input, which holds {by}");
            return null;
        }

        aSecretTookStandardInput = true;
        return SecretFromStream(position, name, "standard input", context.OpenStandardInput);
    }

    private string? SecretFromStream(FilePosition position, string name, string source, Func<Stream> open)
    {
        try
        {
            using var stream = open();
            if (BoundedFile.Read(stream, MaximumSecretBytes + 2) is not { } bytes)
            {
                problems.Add(position, $"{name} is larger than 64 KiB, the most a secret may have");
                return null;
            }

            return WithoutFinalNewline(BoundedFile.StrictUtf8.GetString(bytes));
        }
        catch (DecoderFallbackException)
        {
            problems.Add(position, $"{name} from {source} is not UTF-8 text; encode it, for example with base64");
        }
        catch (Exception reason) when (BoundedFile.IsReadFailure(reason))
        {
            problems.Add(position, $"cannot read {name} from {source}: {BoundedFile.Explain(reason)}");
        }

        return null;
    }

    private bool CheckSecret(FilePosition position, string name, string value)
    {
        var problem = 0 switch
        {
            _ when value.Trim().Length < MinimumSecretLength =>
                $"is shorter than {MinimumSecretLength} characters; masking so short a value would make the log unreadable and give it away",
            _ when Encoding.UTF8.GetByteCount(value) > MaximumSecretBytes => "is larger than 64 KiB, the most a secret may have",
            _ when value.Contains('\0') => "holds a NUL character, which no variable can",
            _ => null,
        };
        if (problem is not null) problems.Add(position, $"{name} {problem}");
        return problem is null;
    }

    /// <summary>Editors and <c>echo</c> end a file with one newline that is no part of the value.</summary>
    private static string WithoutFinalNewline(string text) =>
        text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text.EndsWith('\n') ? text[..^1] : text;
}
