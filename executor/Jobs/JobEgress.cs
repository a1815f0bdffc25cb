using RunnerVm.Egress;
using RunnerVm.GuestProtocol;
using RunnerVm.Logs;

namespace RunnerVm.Jobs;

/// <summary>One job's way out: its gateway and its audit, opened with the machine and closed with it.</summary>
internal sealed class JobEgress : IAsyncDisposable
{
    private const int ShownDestinations = 5;

    private readonly CancellationTokenSource _stop = new();
    private readonly EgressAudit _audit;
    private readonly EgressGateway? _gateway;
    private readonly JobLog _log;
    private readonly string _auditPath;

    public JobEgress(Job job, JobLog log, EgressOptions options, string auditPath, TimeProvider time)
    {
        (_log, _auditPath) = (log, auditPath);
        var masker = NameMasker(job);
        _audit = EgressAudit.Create(auditPath, () => Step(job, log, masker), time, masker is null ? null : masker.Mask);
        if (job.Network.Kind != NetworkKind.None) _gateway = new(EgressPolicy.Compile(job.Network, new HostAddresses(time)), _audit, options, time);
    }

    /// <summary>Serves a channel the guest opened.</summary>
    public async Task ServeAsync(GuestChannel channel)
    {
        if (_gateway is null) channel.Reset("This job has no network.");
        else await _gateway.RunAsync(channel, _stop.Token);
    }

    /// <summary>Says at the end of a job what it did on the network; nothing when it did nothing.</summary>
    public async Task ReportAsync()
    {
        await _stop.CancelAsync();
        var summary = _audit.Summarize(ShownDestinations);
        if (summary.Connections == 0 && summary.DeniedNames == 0) return;
        var text = $"network: {summary.Connections} connections, {summary.DeniedConnections + summary.DeniedNames} denied, {summary.BytesUp} bytes up, {summary.BytesDown} down";
        foreach (var refused in summary.Refused) text += $"; denied {refused.Name}:{refused.Port} {refused.Denied}×";
        await _log.NoticeAsync($"{text} (each in {_auditPath})");
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _audit.DisposeAsync();
        _stop.Dispose();
    }

    /// <summary>A job may ask for names made of its secrets; on the way they become lower case.</summary>
    private static SecretMasker? NameMasker(Job job)
    {
        if (job.Secrets.Count == 0) return null;
        return new(job.Secrets.SelectMany(static s => new[] { s.Value, s.Value.ToLowerInvariant() }));
    }

    private static EgressStep? Step(Job job, JobLog log, SecretMasker? masker)
    {
        if (log.CurrentStep is not { } step) return null;
        var name = job.Steps[step].Name;
        return new(step, masker is null ? name : masker.Mask(name));
    }
}
