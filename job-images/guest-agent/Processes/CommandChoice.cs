using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>The command line that will run, chosen from several by what the guest has.</summary>
/// <param name="Program">Absolute path.</param>
/// <param name="Arguments">The name as it was given, then the arguments.</param>
internal sealed record CommandChoice(string Program, string[] Arguments)
{
    /// <param name="candidates">Command lines in order of preference.</param>
    /// <param name="path">The job's PATH.</param>
    /// <param name="folder">What a relative program path starts from.</param>
    /// <param name="script">Replaces <c>{0}</c> in every argument, if not null.</param>
    /// <exception cref="CannotStartException">None of the programs is there, or none may be run.</exception>
    public static CommandChoice Find(string[][] candidates, string path, string folder, string? script)
    {
        string? refused = null;
        foreach (var candidate in candidates)
        {
            if (candidate.Length == 0) continue;
            var arguments = script is null ? candidate : [.. candidate.Select(a => a.Replace("{0}", script, StringComparison.Ordinal))];
            foreach (var place in Places(arguments[0], path, folder))
            {
                if (!File.Exists(place)) continue;
                if (Libc.access(place, Libc.X_OK) == 0) return new(place, arguments);
                refused ??= place;
            }
        }

        if (refused is not null) throw new CannotStartException($"{refused} cannot be started: it is not executable in the guest.");
        var names = string.Join(", ", candidates.Where(c => c.Length > 0).Select(c => c[0]).Distinct());
        throw new CannotStartException(
            $"The job image has no {(names.Contains(',') ? "program of these: " : "")}{names} (searched in {path}). Choose another shell or another image.");
    }

    private static IEnumerable<string> Places(string program, string path, string folder) =>
        program.Contains('/')
            ? [Path.Combine(folder, program)]
            // An empty entry in PATH means the current folder (POSIX, 8.3).
            : path.Split(':').Select(entry => Path.Combine(folder, entry, program));
}
