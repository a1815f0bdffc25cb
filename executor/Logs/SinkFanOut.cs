namespace RunnerVm.Logs;

/// <summary>One sink made of several: each gets every event, one after the other, so the slowest sets the pace.</summary>
internal sealed class SinkFanOut(params IJobSink[] sinks) : IJobSink
{
    public async ValueTask WriteAsync(JobEvent jobEvent, CancellationToken cancellationToken)
    {
        foreach (IJobSink sink in sinks)
            await sink.WriteAsync(jobEvent, cancellationToken);
    }
}
