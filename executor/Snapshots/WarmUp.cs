using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Jobs;
using RunnerVm.Machines;

namespace RunnerVm.Snapshots;

/// <summary>
/// Steps of no consequence in a machine that is about to be laid down: the shells, what they are linked with and the agent's own way of
/// running a step are in memory when a copy wakes up.
/// </summary>
internal static class WarmUp
{
    private static readonly string?[] Shells = [null, "sh"];

    public static async Task RunAsync(GuestSession guest, TimeProvider time, CancellationToken cancellationToken)
    {
        using var stop = new StopRequest(time, StepSequence.Grace);
        await using var registration = cancellationToken.Register(stop.Abandon);
        var job = new Job { Id = "warm-up", Name = "warm-up", Image = "", Steps = [] };
        foreach (var shell in Shells)
        {
            var step = new Step { Name = "warm-up", Script = "/bin/true; echo; echo >&2", Shell = shell };
            var result = await guest.ExecAsync(StepPlan.ToRequest(job, step), static (_, _) => ValueTask.CompletedTask, stop);
            // An image without sh is still an image.
            if (result.Error is null && result.ExitCode != 0) throw new MachineException($"The machine cannot run {shell ?? "its shell"}: exit code {result.ExitCode}.");
        }
    }
}
