using System.Diagnostics;
using RunnerVm.GuestAgent.Boot;

var started = Stopwatch.GetTimestamp();
// Any other process of this program is the errand command, which is the agent's own file under another name.
if (Environment.ProcessId != 1) return RunnerVm.GuestAgent.Errands.ErrandCommand.Run(args);

// Whatever ends this program ends the machine: a job must never hang because its agent is gone.
AppDomain.CurrentDomain.UnhandledException += static (_, e) => PowerSwitch.Off($"crashed: {(e.ExceptionObject as Exception)?.Message}");
try
{
    PowerSwitch.Off(RunnerVm.GuestAgent.Agent.Run(started));
}
catch (Exception e)
{
    PowerSwitch.Off($"gave up: {e.GetType().Name}: {e.Message}");
}

return 1;
