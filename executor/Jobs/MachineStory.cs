using RunnerVm.Guests;
using RunnerVm.Machines;

namespace RunnerVm.Jobs;

/// <summary>One sentence about a machine that ended when it should not have, from all that its host can see.</summary>
internal static class MachineStory
{
    /// <summary>It ended in the middle of a job.</summary>
    public static string Lost(Machine machine)
    {
        var exit = machine.Exited.Result;
        var tail = machine.ConsoleTail;
        if (exit.Bound is { } bound) return bound;
        if (tail.Contains("Kernel panic", StringComparison.Ordinal)) return $"The machine's kernel panicked: {Panic(tail)}.";
        if (exit.ExitCode == 137) return "The machine's process was killed from outside (SIGKILL); if nobody did it, the host was out of memory.";
        if (exit.ExitCode != 0) return $"The machine's process ended with status {exit.Status}: {UntrustedText.Line(exit.StandardError)}";
        return "The machine powered itself off in the middle of the job: something in the job shut it down or rebooted it.";
    }

    /// <summary>It never got as far as a working agent.</summary>
    public static string NotStarted(Exception cause, Machine machine)
    {
        if (!machine.Exited.IsCompleted) return $"The machine did not start: {cause.Message}";
        var tail = machine.ConsoleTail;
        var why = tail.Contains("Kernel panic", StringComparison.Ordinal)
            ? $"its kernel panicked: {Panic(tail)}"
            : $"its process ended with status {machine.Exited.Result.Status}. {UntrustedText.Line(machine.Exited.Result.StandardError)}";
        return $"The machine did not start: {why} The last of its console: {UntrustedText.Line(tail.Length > 300 ? tail[^300..] : tail)}";
    }

    private static string Panic(string tail)
    {
        var start = tail.IndexOf("Kernel panic", StringComparison.Ordinal);
        var end = tail.IndexOf('\n', start);
        return UntrustedText.Line(end < 0 ? tail[start..] : tail[start..end]);
    }
}
