using RunnerVm;
using RunnerVm.Commands;

return await CommandTree.RunAsync(args);
