using RunnerVm.Vmm.Monitor.Probe;

if (args is ["--probe"]) return ProbeCommand.Run(Console.Out);

Console.Error.WriteLine("Usage: runnervm-vmm --probe    Measure guest ring 0 and print one JSON line.");
return 2;
