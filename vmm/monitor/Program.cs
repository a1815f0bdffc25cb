using RunnerVm.Vmm.Monitor.Api;
using RunnerVm.Vmm.Monitor.Probe;
using RunnerVm.Vmm.Monitor.Start;
using RunnerVm.Vmm.Native;

switch (args)
{
    case ["--probe"]:
        return ProbeCommand.Run(Console.Out);
    case ["--version"]:
        Console.WriteLine($"runnervm-vmm {ProgramVersion.Text} (API of Firecracker {ApiAnswers.FirecrackerVersion})");
        return 0;
    case ["--help" or "-h"]:
        Console.Write(ArgumentParser.Usage);
        return 0;
}

try
{
    using var process = new MonitorProcess(ArgumentParser.Parse(args));
    return process.Run();
}
catch (ArgumentProblemException problem)
{
    Console.Error.WriteLine(problem.Message);
    return ExitStatus.BadArguments;
}
catch (LinuxException problem)
{
    Console.Error.WriteLine(problem.Message);
    return ExitStatus.Failed;
}
