using System.Text;
using RunnerVm.Vmm.Monitor.Api;
using RunnerVm.Vmm.Monitor.Probe;
using RunnerVm.Vmm.Monitor.Start;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Threads;

switch (args)
{
    case ["--probe"]:
        Say(1, ProbeCommand.Run());
        return 0;
    case ["--version"]:
        Say(1, Encoding.UTF8.GetBytes($"runnervm-vmm {ProgramVersion.Text} (API of Firecracker {ApiAnswers.FirecrackerVersion})\n"));
        return 0;
    case ["--help" or "-h"]:
        Say(1, Encoding.UTF8.GetBytes(ArgumentParser.Usage));
        return 0;
}

try
{
    AbortHandler.Install();
    using var process = new MonitorProcess(ArgumentParser.Parse(args));
    return process.Run();
}
catch (ArgumentProblemException problem)
{
    Say(2, Encoding.UTF8.GetBytes(problem.Message + "\n"));
    return ExitStatus.BadArguments;
}
catch (LinuxException problem)
{
    Say(2, Encoding.UTF8.GetBytes(problem.Message + "\n"));
    return ExitStatus.Failed;
}

// Without System.Console, which is as large as our devices and sets up terminal and signals on its first line.
static void Say(int descriptor, ReadOnlySpan<byte> text) => new FileDescriptor(descriptor).Write(text); // Not disposed: it is the process's.
