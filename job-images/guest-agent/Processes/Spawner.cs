using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>Everything a new process gets.</summary>
/// <param name="Folder">Absolute path it starts in.</param>
/// <param name="Terminal">Path of the terminal that becomes its descriptors 0 to 2, or null for pipes.</param>
/// <param name="Pipes">Its ends of standard input, output and error, when there is no terminal.</param>
internal sealed record SpawnPlan(
    CommandChoice Command, Dictionary<string, string> Environment, string Folder, string? Terminal, SafeFileHandle[] Pipes);

/// <summary>
/// posix_spawn with a session of its own, every signal at its default and none blocked. The runtime ignores SIGPIPE,
/// which a child must not inherit; opening a terminal as the leader of a new session makes it the controlling one.
/// </summary>
internal static unsafe class Spawner
{
    /// <returns>The process number.</returns>
    /// <exception cref="CannotStartException">The kernel refused.</exception>
    public static int Spawn(SpawnPlan plan)
    {
        Libc.SpawnAttributes attributes;
        Libc.SpawnFileActions actions;
        // SAFETY: both structures have room for glibc's, are set up here, used by the call and torn down below.
        _ = Libc.posix_spawnattr_init(&attributes);
        _ = Libc.posix_spawn_file_actions_init(&actions);
        try
        {
            SetSignals(&attributes);
            AddFileActions(&actions, plan);
            using var arguments = new NativeStrings(plan.Command.Arguments);
            using var environment = new NativeStrings([.. plan.Environment.Select(e => $"{e.Key}={e.Value}")]);
            var pid = 0;
            var error = Libc.posix_spawn(&pid, plan.Command.Program, &actions, &attributes, arguments.Pointers, environment.Pointers);
            return error == 0 ? pid : throw Refused(error, plan.Command, plan.Environment, plan.Folder);
        }
        finally
        {
            _ = Libc.posix_spawn_file_actions_destroy(&actions);
            _ = Libc.posix_spawnattr_destroy(&attributes);
        }
    }

    private static void SetSignals(Libc.SpawnAttributes* attributes)
    {
        Libc.SignalSet all;
        Libc.SignalSet none = default;
        // SAFETY: a set of signals is 128 bytes, one bit for each signal.
        new Span<byte>(&all, sizeof(Libc.SignalSet)).Fill(0xff);
        _ = Libc.posix_spawnattr_setsigdefault(attributes, &all);
        _ = Libc.posix_spawnattr_setsigmask(attributes, &none);
        _ = Libc.posix_spawnattr_setflags(
            attributes, Libc.POSIX_SPAWN_SETSID | Libc.POSIX_SPAWN_SETSIGDEF | Libc.POSIX_SPAWN_SETSIGMASK);
    }

    private static void AddFileActions(Libc.SpawnFileActions* actions, SpawnPlan plan)
    {
        for (var fd = 0; fd <= 2; fd++)
        {
            if (plan.Terminal is null)
            {
                _ = Libc.posix_spawn_file_actions_adddup2(actions, (int)plan.Pipes[fd].DangerousGetHandle(), fd);
            }
            else if (fd == 0)
            {
                _ = Libc.posix_spawn_file_actions_addopen(actions, 0, plan.Terminal, Libc.O_RDWR, 0);
            }
            else
            {
                _ = Libc.posix_spawn_file_actions_adddup2(actions, 0, fd);
            }
        }

        _ = Libc.posix_spawn_file_actions_addchdir_np(actions, plan.Folder);
    }

    /// <summary>A sentence for what execve(2) or what comes before it said.</summary>
    public static CannotStartException Refused(int error, CommandChoice command, Dictionary<string, string> environment, string folder) => error switch
    {
        Libc.E2BIG => StepEnvironment.TooLong(environment),
        Libc.ENOEXEC => new($"{command.Program} cannot be started: it is neither a program for this machine nor a script that names its interpreter."),
        Libc.ENOENT => new($"{command.Program} cannot be started: the interpreter or loader it names is not in the job image."),
        Libc.EAGAIN => new($"{command.Program} cannot be started: the job has as many processes as it may have."),
        _ => new($"{command.Program} cannot be started in {folder}: {LinuxException.Describe(error)}."),
    };
}
