using RunnerVm.GuestAgent.Boot;
using RunnerVm.GuestAgent.Native;
using RunnerVm.GuestAgent.Thaw;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>One exec or pty channel: start, carry, wait, answer.</summary>
internal static class ExecCall
{
    public static async Task RunAsync(GuestChannel channel, Workplace workplace, ChildReaper reaper)
    {
        var request = ExecRequest.Read(channel.Request.Span);
        var number = workplace.NextStep();
        using var waiting = workplace.TakeWaiting();
        using var script = waiting?.FillScript(request.Script) ?? ScriptFile.Write(workplace.ScriptFolder, number, request.Script);
        using var cgroup = workplace.Cgroups?.CreateStep(number);
        var disk = new DiskWatch(workplace.Scratch);
        StartedStep step;
        Dictionary<string, string> environment;
        CommandChoice command;
        string folder;
        try
        {
            environment = StepEnvironment.Complete(request.Environment);
            (command, folder) = waiting?.Answer(request) ?? Find(request, environment, workplace, script);
            StepEnvironment.AddShell(environment, command.Program);
            step = StartedStep.Start(channel, request, command, environment, folder, cgroup, reaper, waiting, disk);
        }
        catch (Exception e) when (e is CannotStartException or LinuxException)
        {
            channel.Close(new ExecResult { Error = e.Message }.ToPayload());
            return;
        }

        await using (step)
        {
            var end = await step.WaitAsync();
            if (waiting is { Failure: > 0 and var errno })
            {
                channel.Close(new ExecResult { Error = Spawner.Refused(errno, command, environment, folder).Message }.ToPayload());
                return;
            }

            var result = new ExecResult { ExitCode = end.ExitCode, Signal = end.Signal };
            // What a step met on its way is of interest where it failed.
            if (end.ExitCode != 0 || request.TellsAlways) result = result with { OutOfMemory = cgroup?.SawOutOfMemory() ?? false, DiskFull = disk.WasFull() };
            channel.Close(result.ToPayload());
        }
    }

    private static (CommandChoice Command, string Folder) Find(ExecRequest request, Dictionary<string, string> environment, Workplace workplace, ScriptFile? script)
    {
        var folder = FindFolder(request.WorkingDirectory, workplace.Workspace);
        return (CommandChoice.Find(request.Candidates, environment["PATH"], folder, script?.Path), folder);
    }

    private static string FindFolder(string? wanted, string workspace)
    {
        var folder = Path.Combine(workspace, wanted ?? "");
        if (Directory.Exists(folder)) return folder;
        throw new CannotStartException(File.Exists(folder)
            ? $"The working directory {folder} is not a folder but a file."
            : $"The working directory {folder} does not exist in the guest.");
    }
}
