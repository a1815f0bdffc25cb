using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>
/// A process that was forked before the snapshot, in its session, cgroup and folder and with its pipes in place, and stands right before
/// its execve. On a software CPU, where all code that runs for the first time has to be translated, forking and moving into a
/// cgroup are a quarter of what a restored machine does up to the first line of its job.
/// </summary>
internal sealed unsafe class WaitingChild : IDisposable
{
    private const int SIGPIPE = 13;
    private const int SIG_SETMASK = 2;

    /// <summary>The kernel's, not the C library's.</summary>
    private const int SignalSetBytes = 8;

    private const int NeverStarted = 127;

    private readonly SyscallScript _script;
    private readonly SafeFileHandle _go;
    private readonly string _folder;
    private WaitingShell? _shell;
    private ScriptFile? _scriptFile;
    private string[][] _candidates = [];
    private bool _used, _unfit;

    private WaitingChild(SyscallScript script, Child child, string folder, SafeFileHandle go, SafeFileHandle output, SafeFileHandle error) =>
        (_script, Child, _folder, _go, Output, Error) = (script, child, folder, go, output, error);

    public Child Child { get; }

    /// <summary>The end to read its standard output from.</summary>
    public SafeFileHandle Output { get; }

    public SafeFileHandle Error { get; }

    /// <summary>See <see cref="OutputPump"/>.</summary>
    public SafeFileHandle Ended { get; } = KernelFile.EventFd();

    /// <summary>The error number of what kept it from becoming the program, once it has ended; 0 when nothing did.</summary>
    public int Failure => _script.Failure;

    /// <param name="folder">Where most steps start.</param>
    /// <returns>Null where the kernel cannot (cgroups since 5.7): steps are then started as all others are.</returns>
    public static WaitingChild? TryFork(StepCgroup? cgroup, string folder, ChildReaper reaper)
    {
        if (SyscallScript.TryCreate() is not { } script) return null;
        using var input = KernelFile.Open("/dev/null", Libc.O_RDONLY);
        var (goRead, goWrite) = KernelFile.Pipe();
        var (outputRead, outputWrite) = KernelFile.Pipe();
        var (errorRead, errorWrite) = KernelFile.Pipe();
        using (goRead)
        using (outputWrite)
        using (errorWrite)
        {
            script.Add(Libc.SYS_setsid);
            script.Add(Libc.SYS_rt_sigaction, SIGPIPE, script.Zeroes, 0, SignalSetBytes);
            script.Add(Libc.SYS_dup2, Fd(input), 0);
            script.Add(Libc.SYS_dup2, Fd(outputWrite), 1);
            script.Add(Libc.SYS_dup2, Fd(errorWrite), 2);
            script.Add(Libc.SYS_chdir, script.String(folder));
            script.Add(Libc.SYS_read, Fd(goRead), script.Scratch, 1);
            // Until there is more to do, a byte or our end means the end.
            script.Mark();
            script.Add(Libc.SYS_exit_group, NeverStarted);
            try
            {
                var child = reaper.Start(() => cgroup is null ? script.Fork(cgroup: -1) : cgroup.Fork(script));
                return new(script, child, folder, goWrite, outputRead, errorRead);
            }
            catch (CannotStartException)
            {
                goWrite.Dispose();
                outputRead.Dispose();
                errorRead.Dispose();
                return null;
            }
        }
    }

    /// <summary>
    /// Goes one step further where the command is a shell that can wait in its turn: it becomes that now, and from then on nothing else.
    /// </summary>
    /// <param name="pipe">See <see cref="WaitingShell.TryStart"/>.</param>
    /// <param name="candidates">What the command was chosen from.</param>
    public void BecomeShell(string[][] candidates, CommandChoice command, string pipe)
    {
        _candidates = candidates;
        if (!WaitingShell.Knows(command)) return;
        _shell = WaitingShell.TryStart(command, pipe, environment => Execute(command, environment, _folder));
        // Whatever it is doing, it is not for a step.
        if (_shell is null) _unfit = true;
    }

    /// <summary>Makes the step's script file, to be filled later.</summary>
    public void PrepareScript(string folder, int step) => _scriptFile = ScriptFile.Prepare(folder, step);

    /// <returns>The file, which is the caller's from here on; null where there is none or no script.</returns>
    public ScriptFile? FillScript(string? script)
    {
        if (script is null || _scriptFile is not { } file) return null;
        _scriptFile = null;
        file.Fill(script);
        return file;
    }

    /// <summary>The command of a request and the folder it starts in, where this is the shell that waits for just that; else null.</summary>
    public (CommandChoice Command, string Folder)? Answer(ExecRequest request)
    {
        if (_shell is null || request.WorkingDirectory is not null || request.Environment.ContainsKey("PATH") || request.Candidates.Length != _candidates.Length) return null;
        for (var i = 0; i < _candidates.Length; i++)
        {
            if (!request.Candidates[i].AsSpan().SequenceEqual(_candidates[i])) return null;
        }

        return (_shell.Command, _folder);
    }

    /// <summary>Lets it become the program. Pipes are the caller's from here on.</summary>
    /// <returns>False when it cannot take so much, or is a shell already that is not what is wanted; nothing has happened then.</returns>
    public bool TryStart(CommandChoice command, Dictionary<string, string> environment, string folder)
    {
        if (_unfit) return false;
        return _used = _shell is null ? Execute(command, environment, folder) : folder == _folder && _shell.TryRelease(command, environment);
    }

    private bool Execute(CommandChoice command, Dictionary<string, string> environment, string folder)
    {
        _script.Rewind();
        if (folder != _folder) _script.Add(Libc.SYS_chdir, _script.String(folder));
        var arguments = _script.Strings(command.Arguments);
        var variables = _script.Strings([.. environment.Select(static e => $"{e.Key}={e.Value}")]);
        _script.Add(Libc.SYS_rt_sigprocmask, SIG_SETMASK, _script.Zeroes, 0, SignalSetBytes);
        _script.Add(Libc.SYS_execve, _script.String(command.Program), arguments, variables);
        if (_script.IsFull) return false;
        KernelFile.WriteOnce(_go, "."u8);
        _go.Dispose();
        return true;
    }

    /// <summary>Ends the process unless it was started.</summary>
    public void Dispose()
    {
        _go.Dispose();
        _scriptFile?.Dispose();
        if (_used) return;
        _shell?.Dispose();
        Ended.Dispose();
        Output.Dispose();
        Error.Dispose();
    }

    private static long Fd(SafeFileHandle file) => file.DangerousGetHandle();
}
