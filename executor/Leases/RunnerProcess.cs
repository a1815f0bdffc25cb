using System.Globalization;

namespace RunnerVm.Leases;

/// <summary>The gitlab-runner this process was called by, perhaps through a script around us.</summary>
internal static class RunnerProcess
{
    private const string Name = "gitlab-runner";

    /// <summary>The nearest process of that name above us, else our parent.</summary>
    public static ProcessIdentity Find()
    {
        var parent = ParentOf(Environment.ProcessId);
        for (var pid = parent; pid > 1; pid = ParentOf(pid))
            if (NameOf(pid).StartsWith(Name, StringComparison.Ordinal) && ProcessIdentity.Of(pid) is { } runner) return runner;
        return ProcessIdentity.Of(parent) ?? throw new UserException(ExitCodes.Failed, "The process that called 'runnervm gitlab prepare' has already ended.");
    }

    private static int ParentOf(int pid)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{pid}/stat");
            return int.Parse(text[(text.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    private static string NameOf(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/comm").Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
