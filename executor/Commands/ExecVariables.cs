using RunnerVm.Jobs;
using RunnerVm.Logs;

namespace RunnerVm.Commands;

/// <summary>Variables and secrets the command line adds to a job.</summary>
internal static class ExecVariables
{
    public static IReadOnlyDictionary<string, string> Environment(Job job, string[] given, List<string> problems)
    {
        var environment = new Dictionary<string, string>(job.Environment);
        foreach (var item in given)
        {
            var equals = item.IndexOf('=');
            var name = equals < 0 ? item : item[..equals];
            if (!IsName(name)) problems.Add($"--env {name}: expected NAME=VALUE with a name of letters, digits and _");
            else if (equals >= 0) environment[name] = item[(equals + 1)..];
            else if (System.Environment.GetEnvironmentVariable(name) is { } value) environment[name] = value;
            else problems.Add($"--env {name}: this shell has no variable of that name; export it or write {name}=VALUE");
        }

        return environment;
    }

    public static IReadOnlyList<Secret> Secrets(Job job, string[] given, List<string> problems)
    {
        var secrets = new List<Secret>(job.Secrets);
        foreach (var name in given)
        {
            if (System.Environment.GetEnvironmentVariable(name) is not { Length: > 0 } value)
                problems.Add($"--secret {name}: this shell has no variable of that name; export it first (a secret never stands on a command line)");
            else if (SecretMasker.IsTooShort(value))
                problems.Add($"--secret {name}: its value has fewer than {SecretMasker.MinimumCharacters} characters; masking it would shred the log");
            else
                secrets.Add(new(name, value));
        }

        return secrets;
    }

    private static bool IsName(string name) =>
        name.Length > 0 && !char.IsAsciiDigit(name[0]) && name.All(static c => char.IsAsciiLetterOrDigit(c) || c == '_');
}
