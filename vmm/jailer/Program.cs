using System.Diagnostics;
using System.Text;
using RunnerVm.Vmm.Jailer;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;

// CLOCK_MONOTONIC, as the monitor reads it.
var start = (long)Stopwatch.GetElapsedTime(0).TotalMicroseconds;

switch (args)
{
    case ["--version"]:
        Say(1, $"runnervm-jailer {typeof(Jail).Assembly.GetName().Version!.ToString(3)}\n");
        return ExitStatus.Started;
    case ["--help" or "-h"]:
        Say(1, ArgumentParser.Usage);
        return ExitStatus.Started;
}

var (request, problems) = ArgumentParser.Parse(args);
var (materials, more) = JailMaterials.Gather(request);
using (materials)
{
    foreach (var problem in problems.Concat(more)) Say(2, $"runnervm-jailer: {problem}\n");
    if (problems.Count + more.Count != 0) return ExitStatus.BadArguments;
    var jail = new Jail(request, materials);
    try
    {
        jail.Enter(start);
        return ExitStatus.Started;
    }
    catch (LinuxException problem)
    {
        Say(2, $"runnervm-jailer: {problem.Message}\n");
        return jail.Stands ? ExitStatus.CannotStart : ExitStatus.JailFailed;
    }
}

// Without System.Console, which sets up terminal and signals on its first line, by then within the jail.
static void Say(int descriptor, string text)
{
    // Not disposed: the descriptor is the process's, and no other can be had where the limit of open files is reached.
    new FileDescriptor(descriptor).Write(Encoding.UTF8.GetBytes(text));
}
