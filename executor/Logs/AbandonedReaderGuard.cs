namespace RunnerVm.Logs;

/// <summary>
/// For a sink whose reader may go away (<c>runnervm exec … | head</c>): the first failed write asks the job to stop, as
/// a closed pipe stops any program; from then on events are dropped, so that the job still ends in order.
/// </summary>
internal sealed class AbandonedReaderGuard(IJobSink sink, Action onAbandoned) : IJobSink
{
    private bool _abandoned;

    public async ValueTask WriteAsync(JobEvent jobEvent, CancellationToken cancellationToken)
    {
        if (_abandoned) return;
        try
        {
            await sink.WriteAsync(jobEvent, cancellationToken);
        }
        catch (IOException)
        {
            _abandoned = true;
            onAbandoned();
        }
    }
}
