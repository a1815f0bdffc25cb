using System.Text;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>The environment of a step, as the kernel takes it.</summary>
internal static class StepEnvironment
{
    public const string DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /// <summary>Longest string the kernel takes in arguments and environment, with its end mark (execve(2), MAX_ARG_STRLEN).</summary>
    private const int MaxString = 128 * 1024;

    /// <summary>Adds PATH and HOME where they are missing.</summary>
    /// <exception cref="CannotStartException">A variable cannot be passed to a process.</exception>
    public static Dictionary<string, string> Complete(Dictionary<string, string> given)
    {
        var environment = new Dictionary<string, string>(given, StringComparer.Ordinal);
        environment.TryAdd("PATH", DefaultPath);
        environment.TryAdd("HOME", "/root");
        foreach (var (name, value) in environment)
        {
            if (name.Length == 0 || name.Contains('=') || name.Contains('\0') || value.Contains('\0'))
            {
                throw new CannotStartException($"The environment variable \"{name.Replace('\0', '?')}\" cannot be passed to a process: a name has no '=' in it, and neither name nor value a zero byte.");
            }

            var length = Encoding.UTF8.GetByteCount(name) + Encoding.UTF8.GetByteCount(value) + 2;
            if (length > MaxString) throw TooLong(environment);
        }

        return environment;
    }

    /// <summary>
    /// Adds SHELL where it is missing. Without it bash asks the user database at each of its starts, which loads libraries and looks for a
    /// name service's socket.
    /// </summary>
    /// <param name="program">What will run.</param>
    public static void AddShell(Dictionary<string, string> environment, string program) =>
        environment.TryAdd("SHELL", program.EndsWith("/bash", StringComparison.Ordinal) ? program : "/bin/sh");

    /// <summary>Names the largest variable, never its value: it may be a secret.</summary>
    public static CannotStartException TooLong(Dictionary<string, string> environment)
    {
        var largest = environment.MaxBy(e => e.Key.Length + (long)e.Value.Length);
        return new(
            $"The environment and the arguments are too long for Linux: one variable may have 128 KiB, all together about 2 MiB. The largest is {largest.Key} with {largest.Value.Length} characters. Pass it in a file instead.");
    }
}
