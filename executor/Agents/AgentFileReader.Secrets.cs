using RunnerVm.Options.Yaml;

namespace RunnerVm.Agents;

/// <content>Secrets are never in the file itself: configurations are copied, shown and kept in repositories.</content>
internal sealed partial class AgentFileReader
{
    private const int MaximumTokenLength = 1024;

    /// <summary>Where systemd puts what a unit loads by LoadCredential=.</summary>
    private const string CredentialsVariable = "CREDENTIALS_DIRECTORY";

    private string? ReadSecret(Fields fields, string key, string example)
    {
        if (ReadPlace(fields, key, example) is not { } place) return null;
        var value = place.Path is { } path ? ReadSecretFile(path, place.Position) : context.EnvironmentVariable(place.Variable!)!.Trim();
        if (value is null) return null;
        if (value.Length is > 0 and <= MaximumTokenLength && value.All(static c => c is > ' ' and < (char)0x7F)) return value;
        problems.Add(place.Position, $"\"{key}\": what was found is no token (one line, no blanks)");
        return null;
    }

    /// <summary>Where a secret lies; a variable is one that is set.</summary>
    private SecretPlace? ReadPlace(Fields fields, string key, string example)
    {
        if (fields[key] is not { } value)
        {
            problems.Add(fields.Position, $"\"{key}\" is missing; write {example}");
            return null;
        }

        if (value is not YamlMap)
        {
            problems.Add(value.Position, $"\"{key}\" should be a map with file, env or credential; the secret itself does not belong into this file");
            return null;
        }

        if (Fields.Read(value, $"\"{key}\"", AgentVocabulary.Secret, problems) is not { } source) return null;
        if (AgentVocabulary.Secret.Count(source.Has) == 1) return ReadPlace(source, value.Position);
        problems.Add(value.Position, $"\"{key}\" needs one of file, env and credential");
        return null;
    }

    private SecretPlace? ReadPlace(Fields source, FilePosition position)
    {
        if (source.Text("file") is { } path) return new(Path.GetFullPath(path), null, source["file"]!.Position);
        if (source.Text("credential") is { } credential) return ReadCredential(credential, source["credential"]!.Position);
        if (source.Text("env") is not { } name) return null;
        if (context.EnvironmentVariable(name) is { Length: > 0 }) return new(null, name, position);
        problems.Add(source["env"]!.Position, $"\"env\": the environment variable {Quoted.Text(name)} is not set");
        return null;
    }

    private SecretPlace? ReadCredential(string name, FilePosition position)
    {
        if (name.Contains('/', StringComparison.Ordinal)) problems.Add(position, $"\"credential\" is a name, not a path: {Quoted.Text(name)}");
        else if (context.EnvironmentVariable(CredentialsVariable) is { Length: > 0 } folder) return new(Path.Combine(folder, name), null, position);
        else problems.Add(position, $"\"credential\": {CredentialsVariable} is not set; systemd sets it for a unit with LoadCredential={name}:PATH");
        return null;
    }

    private string? ReadSecretFile(string path, FilePosition position)
    {
        try
        {
            using var file = context.OpenFile(path);
            if (BoundedFile.Read(file, MaximumTokenLength + 2) is { } bytes) return BoundedFile.StrictUtf8.GetString(bytes).Trim();
            problems.Add(position, $"\"file\": {Quoted.Path(path)} is too long for a token");
        }
        catch (Exception reason) when (BoundedFile.IsReadFailure(reason))
        {
            problems.Add(position, $"\"file\": cannot read {Quoted.Path(path)}: {BoundedFile.Explain(reason)}");
        }

        return null;
    }

    /// <summary>One of the two is set.</summary>
    private sealed record SecretPlace(string? Path, string? Variable, FilePosition Position);
}
