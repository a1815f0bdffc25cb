using Xunit.Runner.InProc.SystemConsole;

namespace RunnerVm.Tests.Machines;

/// <summary>Runs the tests; or, started by one of them inside a network namespace, what is to be reached there.</summary>
internal static class EntryPoint
{
    public const string Serve = "--serve";

    public static async Task<int> Main(string[] arguments)
    {
        if (arguments is not [Serve, var place]) return await ConsoleRunner.Run(arguments);
        await EgressWorld.ServeAsync(place);
        return 0;
    }
}
