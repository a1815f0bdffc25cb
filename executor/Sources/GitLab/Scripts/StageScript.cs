using RunnerVm.Sources.GitLab.Variables;

namespace RunnerVm.Sources.GitLab.Scripts;

/// <summary>
/// The frame around what a stage does: stop at the first failure, the job's variables, what earlier steps passed on,
/// the project's folder. Each stage is a shell of its own.
/// </summary>
internal static class StageScript
{
    /// <summary>
    /// Longest value that goes into the environment, where its programs get it: execve(2) refuses a string of 128 KiB.
    /// A longer one is a variable of the shell, which the script's own commands see.
    /// </summary>
    public const int LongestExported = 120 * 1024;

    /// <summary>All exported values together: execve takes 2 MiB with the arguments, and a job adds its own.</summary>
    public const int MostExported = 1 << 20;

    /// <param name="inProject">Whether the stage starts in the project's folder, which must be there then.</param>
    public static ShellScript Begin(JobVariables variables, GuestPaths paths, bool inProject = true)
    {
        var script = new ShellScript()
            // A shell that is asked to end first waits for the command it runs, which gets the signal too and may clean up.
            .Line("trap 'exit 1' TERM")
            .Line("if (set -o pipefail) 2>/dev/null; then set -o pipefail; fi")
            .Line("set -e +C");
        Export(script, variables);
        ImportPassedOn(script);
        if (inProject) script.Run("cd", paths.Project);
        if (variables.Flag("CI_DEBUG_TRACE", false)) script.Line("set -x");
        return script;
    }

    private static void Export(ShellScript script, JobVariables variables)
    {
        var exported = 0;
        foreach (var variable in variables.Ordered)
        {
            // GitLab takes names that are none for a shell.
            if (!VariableName.IsValid(variable.Key)) continue;
            var value = variable.File ? variables.FilePath(variable.Key) : variable.Value;
            var bytes = System.Text.Encoding.UTF8.GetByteCount(value);
            if (bytes <= LongestExported && exported + bytes <= MostExported)
            {
                exported += bytes + variable.Key.Length + 2;
                script.Line($"export {variable.Key}={ShellScript.Quote(value)}");
            }
            else
            {
                script.Line($"unset {variable.Key}").Line($"{variable.Key}={ShellScript.Quote(value)}");
            }
        }
    }

    /// <summary>Lines KEY=VALUE; whatever else a step wrote there is passed over.</summary>
    private static void ImportPassedOn(ShellScript script) => script
        .Line($"if [ -f {GuestPaths.EnvironmentFile} ]; then")
        .Line("  while IFS= read -r runnervm_line || [ -n \"$runnervm_line\" ]; do")
        .Line("    case \"${runnervm_line%%=*}\" in")
        .Line("      \"$runnervm_line\" | '' | [0-9]* | *[!A-Za-z0-9_]*) ;;")
        .Line("      *) export \"$runnervm_line\" ;;")
        .Line("    esac")
        .Line($"  done <{GuestPaths.EnvironmentFile}")
        .Line("  unset runnervm_line")
        .Line("fi");

    /// <summary>Names of variables too long for the environment; said once, in the log.</summary>
    public static IReadOnlyList<string> Unexported(JobVariables variables) =>
        [.. variables.Ordered.Where(static v => !v.File && VariableName.IsValid(v.Key) && System.Text.Encoding.UTF8.GetByteCount(v.Value) > LongestExported).Select(static v => v.Key)];
}
