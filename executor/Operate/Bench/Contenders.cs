using RunnerVm.Images;
using RunnerVm.Machines;

namespace RunnerVm.Operate.Bench;

/// <summary>Who is measured here: engines by <c>runnervm exec</c>, and the tools people know, where they are installed.</summary>
/// <param name="program">This program.</param>
/// <param name="kind">Options of exec that name the kind of machine.</param>
/// <param name="folder">Holds the job files; the caller removes it.</param>
internal sealed class Contenders(string program, IReadOnlyList<string> kind, string folder)
{
    private const string DockerImage = "runnervm-bench";

    private readonly Dictionary<string, string> _files = [];

    /// <summary>An engine that has no other way.</summary>
    public Contender Plain(string engine) => new(engine, script => Exec(engine, script, "--cold"));

    /// <summary>One whose machines boot.</summary>
    public Contender Cold(string engine) => Plain(engine) with { Name = $"{engine}, cold" };

    /// <summary>One whose machines start from a snapshot that is there.</summary>
    public Contender Restored(string engine) => new(
        $"{engine}, restored", script => Exec(engine, script), new Dictionary<string, string> { [Snapshots.SnapshotSetting.Variable] = "existing" }, SharesLoops: true);

    /// <summary>Tools beside us, each with no more of a network than it must have.</summary>
    /// <param name="root">The unpacked root image.</param>
    /// <param name="skipped">Takes a sentence for each that is not here.</param>
    public static async Task<IReadOnlyList<Contender>> OthersAsync(string root, List<string> skipped, CancellationToken cancellationToken)
    {
        var found = new List<Contender>();
        if (Find("runsc", skipped) is { } runsc)
        {
            string[] rights = Environment.IsPrivilegedProcess ? [] : ["--rootless"];
            found.Add(new("runsc do", script => [runsc, .. rights, "--network=none", "do", "sh", "-c", script]));
        }

        if (Find("podman", skipped) is { } podman)
            found.Add(new("podman run", script => [podman, "run", "--rm", "--network=none", "--rootfs", $"{root}:O", "sh", "-c", script], SeesAll: false));
        if (Find("docker", skipped) is { } docker)
        {
            try
            {
                // The client is often there without its daemon, and says so better than a broken pipe does.
                await Tool.RunAsync("docker", ["version", "--format", "{{.Server.Version}}"], new() { Attempt = "reach docker's daemon" }, cancellationToken);
                // Docker has no way to run a folder: it is given the image once.
                await Tool.RunAsync("sh", ["-c", "tar -C \"$1\" -c . | \"$0\" import - \"$2\"", docker, root, DockerImage], new() { Attempt = "give docker the image" }, cancellationToken);
                found.Add(new("docker run", script => [docker, "run", "--rm", "--network=none", DockerImage, "sh", "-c", script], SeesAll: false));
            }
            catch (UserException e)
            {
                skipped.Add($"docker is installed here but is not measured: {e.Message.Split('\n')[^1].Trim()}");
            }
        }

        return found;
    }

    private static string? Find(string tool, List<string> skipped)
    {
        var path = ProgramSearch.Find(tool);
        if (path is null) skipped.Add($"{tool} is not installed here.");
        return path;
    }

    private IReadOnlyList<string> Exec(string engine, string script, params string[] options) =>
        [program, "exec", JobFile(script), "--engine", engine, "--quiet", "--workspace", "none", .. kind, .. options];

    /// <summary>One file a script.</summary>
    private string JobFile(string script)
    {
        lock (_files)
        {
            if (_files.TryGetValue(script, out var known)) return known;
            var path = Path.Combine(folder, $"{_files.Count}.yml");
            File.WriteAllText(path, $"job:\n  steps:\n    - |\n{string.Join('\n', script.Split('\n').Select(static line => "      " + line))}\n");
            return _files[script] = path;
        }
    }
}
