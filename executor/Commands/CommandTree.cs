using System.CommandLine;

namespace RunnerVm.Commands;

/// <summary>All verbs, and the one place where an error becomes a sentence and an exit code.</summary>
internal static class CommandTree
{
    public static RootCommand Create()
    {
        var root = new RootCommand("Runs CI jobs, each in a microVM that did not exist before and is gone after.")
        {
            ExecCommand.Create(),
            AgentCommand.Create(),
            ImageCommand.Create(),
            SnapshotCommand.Create(),
            PoolCommand.Create(),
            GitLabCommand.Create(),
            RunnerCommand.Create(),
            DoctorCommand.Create(),
            BenchCommand.Create(),
            CompletionCommand.Create(),
        };
        foreach (var command in JobsCommand.Create()) root.Add(command);
        return root;
    }

    public static async Task<int> RunAsync(string[] arguments)
    {
        var parsed = Create().Parse(arguments);
        try
        {
            // Ctrl-C is ours: the first asks the job to stop, the second ends its machine.
            var code = await parsed.InvokeAsync(new() { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
            return parsed.Errors.Count > 0 ? ExitCodes.Usage : code;
        }
        catch (UserException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return e.ExitCode;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The host's file system refused; its message names the file.
            await Console.Error.WriteLineAsync($"runnervm {string.Join(' ', arguments.Take(1))} could not go on: {e.Message}");
            return ExitCodes.Failed;
        }
        catch (OperationCanceledException)
        {
            return ExitCodes.Cancelled;
        }
    }
}
