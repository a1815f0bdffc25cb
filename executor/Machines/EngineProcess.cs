using System.ComponentModel;
using System.Diagnostics;
using CliWrap;

namespace RunnerVm.Machines;

/// <summary>
/// The process of an engine: dies with us however we die, knows nothing of our environment, is out of the
/// terminal's reach, leaves no core dump. Its standard output and error are kept as bounded tails.
/// </summary>
internal sealed class EngineProcess : IAsyncDisposable
{
    /// <summary>
    /// What stands before the engine's own command line, all of util-linux, each replacing itself by the next, so the
    /// process id stays the same. setpriv comes first: should we die before it has asked for the signal, the engine
    /// finds nobody listening on its sockets and ends by itself. setsid keeps Ctrl-C away: the job is asked to stop
    /// before its machine is. No core dump: it would hold the guest's memory, and with it secrets.
    /// </summary>
    /// <remarks>With their paths: each would look through PATH for the next, after its own start.</remarks>
    private static readonly string[] Wrapping =
        ["--pdeathsig", "KILL", "--no-new-privs", PathOf("prlimit"), "--core=0", PathOf("setsid")];

    private readonly BoundedTail _output = new(BoundedTail.DefaultCapacity);
    private readonly BoundedTail _errors = new(BoundedTail.DefaultCapacity);

    private EngineProcess(string program, IReadOnlyList<string> arguments, string folder)
    {
        var command = Cli.Wrap("setpriv")
            .WithArguments([.. Wrapping, program, .. arguments])
            .WithEnvironmentVariables(MinimalEnvironment())
            .WithWorkingDirectory(folder)
            .WithValidation(CommandResultValidation.None)
            .WithStandardOutputPipe(PipeTarget.Create(_output.FillFromAsync))
            .WithStandardErrorPipe(PipeTarget.Create(_errors.FillFromAsync))
            .ExecuteAsync();
        ProcessId = command.ProcessId;
        Exited = WaitAsync(command);
    }

    public int ProcessId { get; }

    /// <summary>Never faults.</summary>
    public Task<MachineExit> Exited { get; }

    /// <summary>The last of its standard output.</summary>
    public string OutputTail => _output.ToString();

    /// <param name="folder">Its working directory.</param>
    /// <exception cref="MachineException">setpriv is not there, or no process can be made.</exception>
    public static async Task<EngineProcess> StartAsync(StarterThread starter, string program, IReadOnlyList<string> arguments, string folder = "/")
    {
        try
        {
            return await starter.RunAsync(() => new EngineProcess(program, arguments, folder));
        }
        catch (Win32Exception e)
        {
            throw new MachineException(
                $"Cannot start {program} through setpriv: {e.Message}. Install util-linux: setpriv, prlimit and setsid come with it.",
                e);
        }
    }

    /// <summary>SIGKILL, waited for. May be called again.</summary>
    public async ValueTask DisposeAsync()
    {
        Kill();
        await Exited;
    }

    /// <summary>SIGKILL, not waited for. May be called again.</summary>
    public void Kill()
    {
        try
        {
            // Not CliWrap's own way, which looks through all of /proc for children first: an engine has none, its
            // seccomp filter sees to that. The runtime holds the number until the child is reaped, so it is this process.
            if (!Exited.IsCompleted)
            {
                using var process = Process.GetProcessById(ProcessId);
                process.Kill();
            }
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            // It has just ended by itself.
        }
    }

    private static string PathOf(string program) => ProgramSearch.Find(program) ?? program;

    private async Task<MachineExit> WaitAsync(CommandTask<CommandResult> command) =>
        new((await command).ExitCode, _errors.ToString().Trim());

    /// <summary>A null takes a variable away: secrets given to us in the environment must not sit in the engine's.</summary>
    private static Dictionary<string, string?> MinimalEnvironment()
    {
        var variables = new Dictionary<string, string?>();
        foreach (string name in Environment.GetEnvironmentVariables().Keys) variables[name] = null;
        variables["PATH"] = ProgramSearch.Path;
        variables["LANG"] = "C";
        // QEMU's translator grows its heap a little at a time, some hundred times before the first line of a job (mallopt(3)): 4 ms.
        variables["MALLOC_TOP_PAD_"] = "8388608";
        return variables;
    }
}
