using RunnerVm.Tests.Vmm.Seccomp;
using Xunit.Runner.InProc.SystemConsole;

namespace RunnerVm.Tests.Vmm;

/// <summary>Runs the tests; or is the process that one of them confines.</summary>
internal static class EntryPoint
{
    public static async Task<int> Main(string[] arguments) =>
        arguments is [Trespasser.Argument, var thread, var deed] ? Trespasser.Run(thread, deed) : await ConsoleRunner.Run(arguments);
}
