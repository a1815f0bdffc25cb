using Xunit.Runner.InProc.SystemConsole;

namespace RunnerVm.Tests.Lab;

/// <summary>Runs the tests; or, for tests/lab/run, brings the lab up and runs a command in it.</summary>
internal static class EntryPoint
{
    public static async Task<int> Main(string[] arguments) =>
        arguments is ["--lab", .. var rest] ? await LabCommand.RunAsync(rest) : await ConsoleRunner.Run(arguments);
}
