using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;
using RunnerVm.GuestAgent.Thaw;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>
/// What a bash that was started before the snapshot still has to be told: a shell that runs a script first reads the file that BASH_ENV
/// names (bash(1), INVOCATION), here a pipe, and opens the script only then. So it stands there with all of its start behind it, which is
/// half of what a restored machine does up to the first line of its job, and needs only the step's variables.
/// </summary>
internal sealed class WaitingShell : IDisposable
{
    private const int PatienceMilliseconds = 5_000;
    private const int PollMilliseconds = 1;

    /// <summary>A pipe takes 64 KiB at once.</summary>
    private const int MostBytes = 60 * 1024;

    /// <summary>Variables that mean something else to a shell that starts with them than to one that is told them.</summary>
    private static readonly HashSet<string> Special =
    [
        "_", "DIRSTACK", "ENV", "EPOCHREALTIME", "EPOCHSECONDS", "EUID", "FUNCNAME", "GLOBIGNORE", "GROUPS", "HISTCMD", "IFS", "LINENO", "OLDPWD",
        "OPTIND", "PIPESTATUS", "POSIXLY_CORRECT", "PPID", "PWD", "RANDOM", "SECONDS", "SHELLOPTS", "SHLVL", "SRANDOM", "UID",
    ];

    private readonly CommandChoice _command;
    private readonly SafeFileHandle _words;

    private WaitingShell(CommandChoice command, SafeFileHandle words) => (_command, _words) = (command, words);

    /// <summary>What it runs.</summary>
    public CommandChoice Command => _command;

    /// <summary>Whether a command is one that waits so.</summary>
    public static bool Knows(CommandChoice command) => command.Program.EndsWith("/bash", StringComparison.Ordinal);

    /// <param name="start">Starts the command with the variables.</param>
    /// <param name="pipe">Path for its pipe; gone afterwards.</param>
    /// <returns>Null when the command does not come to ask within five seconds.</returns>
    public static WaitingShell? TryStart(CommandChoice command, string pipe, Action<Dictionary<string, string>> start)
    {
        if (Libc.mkfifo(pipe, 0b110_000_000) < 0) return null;
        try
        {
            var environment = StepEnvironment.Complete([]);
            StepEnvironment.AddShell(environment, command.Program);
            environment["BASH_ENV"] = pipe;
            start(environment);
            for (var waited = 0; waited < PatienceMilliseconds; waited += PollMilliseconds)
            {
                // Fails for as long as nobody reads (fifo(7)).
                if (KernelFile.TryOpen(pipe, Libc.O_WRONLY | Libc.O_NONBLOCK) is { } words) return new(command, words);
                KernelFile.Pause(PollMilliseconds);
            }

            return null;
        }
        finally
        {
            _ = Libc.unlinkat(Libc.AT_FDCWD, pipe, 0);
        }
    }

    /// <summary>Lets it go on to its script, which is there by now.</summary>
    /// <returns>False when it is not what is wanted; nothing has happened then.</returns>
    public bool TryRelease(CommandChoice command, Dictionary<string, string> environment)
    {
        if (command.Program != _command.Program || !command.Arguments.AsSpan().SequenceEqual(_command.Arguments)) return false;
        if (Words(environment) is not { } words || KernelFile.WriteOnce(_words, words) != 0) return false;
        _words.Dispose();
        return true;
    }

    /// <summary>Ends the shell unless it was released.</summary>
    public void Dispose()
    {
        if (_words.IsClosed) return;
        _ = KernelFile.WriteOnce(_words, "exit 127\n"u8);
        _words.Dispose();
    }

    /// <returns>What sets the variables, and what a shell makes at its start and all copies would have alike; null when it cannot be said.</returns>
    internal static byte[]? Words(Dictionary<string, string> environment)
    {
        var text = new StringBuilder("unset BASH_ENV\nHOSTNAME=").Append(Quote(Identity.Hostname())).Append("\nexport");
        foreach (var (name, value) in environment)
        {
            if (!IsOrdinary(name)) return null;
            text.Append(' ').Append(name).Append('=').Append(Quote(value));
        }

        // The last word is what $_ is, as after any start.
        text.Append("\nRANDOM=").Append(Seed()).Append(" SECONDS=0\n: bash\n");
        return text.Length <= MostBytes && Encoding.UTF8.GetBytes(text.ToString()) is { Length: <= MostBytes } words ? words : null;
    }

    private static bool IsOrdinary(string name)
    {
        if (Special.Contains(name) || name.StartsWith("BASH", StringComparison.Ordinal) || char.IsAsciiDigit(name[0])) return false;
        foreach (var letter in name)
        {
            if (!char.IsAsciiLetterOrDigit(letter) && letter != '_') return false;
        }

        return true;
    }

    private static string Quote(string value) => $"'{value.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static int Seed()
    {
        Span<byte> seed = stackalloc byte[4];
        Identity.Random(seed);
        return BinaryPrimitives.ReadInt32LittleEndian(seed) & int.MaxValue;
    }
}
