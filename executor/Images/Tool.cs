using System.ComponentModel;
using System.Text;
using CliWrap;
using CliWrap.Exceptions;

namespace RunnerVm.Images;

/// <summary>How a tool is run.</summary>
internal sealed record ToolRun
{
    /// <summary>What was attempted, for the error message: "Cannot {Attempt}: ...". Null: "run {program}".</summary>
    public string? Attempt { get; init; }

    /// <summary>Fed to standard input, which is empty by default.</summary>
    public PipeSource Input { get; init; } = PipeSource.Null;

    /// <summary>Where standard output goes; null collects it as the result.</summary>
    public PipeTarget? Output { get; init; }

    /// <summary>Sees each line of standard error as it comes.</summary>
    public Action<string>? OnErrorLine { get; init; }

    public string? WorkingDirectory { get; init; }

    public IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>();

    /// <summary>Run in namespaces of its own, with all of its descendants ended together; root by subordinate user ids where we are not root.</summary>
    public bool AsNamespaceRoot { get; init; }
}

/// <summary>
/// Runs a tool of the distribution to its end. The tool dies with this process, however that ends, and a failure names
/// what was attempted, the last lines the tool said, and the package that has it.
/// </summary>
internal static class Tool
{
    private const int KeptErrorLines = 12;

    /// <summary>Folders beyond PATH: mkfs.* are in sbin, which ordinary users do not have on theirs.</summary>
    private static readonly string[] SystemFolders = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"];

    private static readonly Dictionary<string, string> Packages = new()
    {
        ["mmdebstrap"] = "mmdebstrap",
        ["mkfs.erofs"] = "erofs-utils",
        ["mkfs.ext4"] = "e2fsprogs",
        ["lz4"] = "lz4",
        ["xz"] = "xz-utils",
        ["zstd"] = "zstd",
        ["bzip2"] = "bzip2",
        ["newuidmap"] = "uidmap",
        ["unshare"] = "util-linux",
        ["setpriv"] = "util-linux",
        ["apt-get"] = "apt",
        ["apt-cache"] = "apt",
        ["dpkg-deb"] = "dpkg",
    };

    /// <summary>The program's path, or null where it is not installed.</summary>
    public static string? Find(string program)
    {
        var path = Environment.GetEnvironmentVariable("PATH") ?? "";
        return path.Split(':', StringSplitOptions.RemoveEmptyEntries)
            .Concat(SystemFolders)
            .Select(folder => Path.Combine(folder, program))
            .FirstOrDefault(File.Exists);
    }

    /// <returns>Standard output, unless it went elsewhere.</returns>
    /// <exception cref="UserException">The tool is missing or ended with another status than 0.</exception>
    public static async Task<string> RunAsync(
        string program, IReadOnlyList<string> arguments, ToolRun run, CancellationToken cancellationToken)
    {
        var output = new StringBuilder();
        var errors = new Queue<string>();
        var command = Cli.Wrap(Require("setpriv"))
            .WithArguments([.. Prefix(run), Require(program), .. arguments])
            .WithEnvironmentVariables(new Dictionary<string, string?>(run.Environment) { ["LC_ALL"] = "C" })
            .WithStandardInputPipe(run.Input)
            .WithStandardOutputPipe(run.Output ?? PipeTarget.ToStringBuilder(output))
            .WithStandardErrorPipe(PipeTarget.ToDelegate(line =>
            {
                if (errors.Count == KeptErrorLines) errors.Dequeue();
                errors.Enqueue(line);
                run.OnErrorLine?.Invoke(line);
            }));
        if (run.WorkingDirectory is not null) command = command.WithWorkingDirectory(run.WorkingDirectory);
        try
        {
            await OnThreadOfItsOwn(command, cancellationToken);
            return output.ToString();
        }
        catch (CommandExecutionException e)
        {
            var said = errors.Count == 0 ? "" : "\n  " + string.Join("\n  ", errors);
            throw new UserException(
                ExitCodes.Failed,
                $"Cannot {run.Attempt ?? "run " + program}: {program} ended with status {e.ExitCode}.{said}", e);
        }
        catch (Win32Exception e)
        {
            throw new UserException(ExitCodes.Failed, $"Cannot {run.Attempt ?? "run " + program}: {e.Message}.", e);
        }
    }

    /// <summary>
    /// "Die with your parent" means the parent's thread, and the pool retires threads: the one that starts the tool
    /// must live as long as the tool does.
    /// </summary>
    private static Task OnThreadOfItsOwn(Command command, CancellationToken cancellationToken) => Task.Factory.StartNew(
        () => command.ExecuteAsync(cancellationToken).Task.GetAwaiter().GetResult(),
        CancellationToken.None,
        TaskCreationOptions.LongRunning,
        TaskScheduler.Default);

    private static IEnumerable<string> Prefix(ToolRun run)
    {
        string[] dieWithUs = ["--pdeathsig", "KILL", "--"];
        if (!run.AsNamespaceRoot) return dieWithUs;
        string[] namespaces = [Require("unshare"), "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
        if (Environment.IsPrivilegedProcess) return [.. dieWithUs, .. namespaces, "--"];
        Require("newuidmap");
        return [.. dieWithUs, .. namespaces, "--user", "--map-root-user", "--map-auto", "--"];
    }

    /// <exception cref="UserException">It is not installed.</exception>
    public static string Require(string program) => Find(program) ?? throw new UserException(
        ExitCodes.Failed,
        $"The program {program} is not installed. Install it: apt-get install {Packages.GetValueOrDefault(program, program)}");
}
