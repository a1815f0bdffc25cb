using System.CommandLine;

namespace RunnerVm.Commands;

/// <summary><c>runnervm completion bash|zsh|fish</c>: a script that asks the program itself what fits.</summary>
internal static class CompletionCommand
{
    private const string Bash = """
        _runnervm() {
            local IFS=$'\n'
            COMPREPLY=($("${COMP_WORDS[0]}" "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null))
        }
        complete -o default -F _runnervm runnervm ./runnervm
        """;

    private const string Zsh = """
        #compdef runnervm
        _runnervm() {
            local -a found
            found=("${(@f)$("${words[1]}" "[suggest:${CURSOR}]" "${BUFFER}" 2>/dev/null)}")
            compadd -a found || _files
        }
        compdef _runnervm runnervm
        """;

    private const string Fish = """
        complete -c runnervm -a '(runnervm "[suggest:"(string length -- (commandline -cp))"]" (commandline -cp) 2>/dev/null)'
        """;

    public static Command Create()
    {
        var shell = new Argument<string>("shell") { Description = "bash, zsh or fish" }.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new Command("completion", "Print a completion script; source it from your shell's start-up file.") { shell };
        command.SetAction((ParseResult parsed) =>
        {
            Console.Out.WriteLine(parsed.GetRequiredValue(shell) switch
            {
                "bash" => Bash,
                "zsh" => Zsh,
                _ => Fish,
            });
        });
        return command;
    }
}
