namespace RunnerVm.Machines;

/// <summary>Finds the programs of others the way a shell does.</summary>
internal static class ProgramSearch
{
    /// <summary>PATH, with the administrator's folders added: mkfs and friends are not in a plain user's PATH on Debian.</summary>
    public static string Path { get; } = string.Join(':',
        (Environment.GetEnvironmentVariable("PATH") ?? "/usr/local/bin:/usr/bin:/bin")
            .Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Concat(["/usr/local/sbin", "/usr/sbin", "/sbin"])
            .Distinct());

    /// <summary>Full path of <paramref name="program"/>, or null.</summary>
    public static string? Find(string program, string? searchPath = null) =>
        (searchPath ?? Path).Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => System.IO.Path.Combine(folder, program))
            .FirstOrDefault(IsExecutable);

    private static bool IsExecutable(string path) =>
        File.Exists(path)
        && (File.GetUnixFileMode(path) & (UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute)) != 0;
}
