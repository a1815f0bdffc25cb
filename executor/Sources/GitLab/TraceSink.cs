using RunnerVm.Logs;
using RunnerVm.Sources.GitLab.Traces;

namespace RunnerVm.Sources.GitLab;

/// <summary>What a run says about itself, as lines of a GitLab job's log. The job's own output goes there directly.</summary>
internal sealed class TraceSink(JobTrace trace) : IJobSink
{
    private string? _preparing;

    public ValueTask WriteAsync(JobEvent jobEvent, CancellationToken cancellationToken) => jobEvent switch
    {
        JobEvent.Notice notice => trace.SayAsync(notice.Text),
        JobEvent.MachineReady ready => trace.SayAsync($"Machine ready: engine {ready.Engine}, Linux {ready.Kernel}"),
        JobEvent.Preparation preparation => PreparingAsync(preparation),
        _ => ValueTask.CompletedTask,
    };

    /// <summary>A log is no screen: of each part only that it has begun.</summary>
    private ValueTask PreparingAsync(JobEvent.Preparation preparation)
    {
        if (preparation.What == _preparing) return ValueTask.CompletedTask;
        _preparing = preparation.What;
        return trace.SayAsync($"{preparation.What}: {preparation.Text}");
    }
}
