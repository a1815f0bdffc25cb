using RunnerVm.Egress;
using RunnerVm.GuestProtocol;
using RunnerVm.Logs;

namespace RunnerVm.Jobs;

/// <summary>One job's way out: its gateway and its audit, opened with the machine and closed with it.</summary>
internal sealed class JobEgress : IAsyncDisposable
{
    private const int ShownDestinations = 5;

    private readonly EgressAudit _audit;
    private readonly Lazy<EgressGateway>? _gateway;
    private readonly JobLog _log;
    private readonly string _auditPath;
    private bool _closed;

    public JobEgress(Job job, JobLog log, EgressOptions options, string auditPath, TimeProvider time)
    {
        (_log, _auditPath) = (log, auditPath);
        var masker = NameMasker(job);
        _audit = EgressAudit.Create(auditPath, () => Step(log), time, masker is null ? null : masker.Mask);
        if (job.Network.Kind == NetworkKind.None) return;
        var policy = EgressPolicy.Compile(job.Network, new HostAddresses(time));
        // What it asks of the host, resolvers and routes, it asks when the guest first wants something.
        _gateway = new(() => new(policy, _audit, options, time));
    }

    /// <summary>The destinations that were denied most often; complete after <see cref="DisposeAsync"/>.</summary>
    public IReadOnlyList<EgressDestination> Denied { get; private set; } = [];

    /// <summary>Serves a channel the guest opened.</summary>
    public async Task ServeAsync(GuestChannel channel, CancellationToken cancellationToken)
    {
        if (_gateway is null) channel.Reset("This job has no network.");
        else await _gateway.Value.RunAsync(channel, cancellationToken);
    }

    /// <summary>Ends the audit and says what the job did on the network; nothing when it did nothing. After the last channel. May be called again.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_closed) return;
        _closed = true;
        await _audit.DisposeAsync();
        if (_gateway is { IsValueCreated: true }) _gateway.Value.Dispose();
        var summary = _audit.Summarize(ShownDestinations);
        Denied = summary.Refused;
        if (summary.Connections == 0 && summary.DeniedNames == 0)
        {
            File.Delete(_auditPath);
            return;
        }

        var text = $"network: {summary.Connections} connections, {Readable.Size(summary.BytesUp)} up, {Readable.Size(summary.BytesDown)} down; each in {_auditPath}";
        foreach (var refused in summary.Refused) text += $"\ndenied {refused.DeniedTimes}: {refused.Place}";
        await _log.NoticeAsync(text);
    }

    /// <summary>A job may ask for names made of its secrets; on the way they become lower case.</summary>
    private static SecretMasker? NameMasker(Job job)
    {
        if (job.Secrets.Count == 0) return null;
        return new(job.Secrets.SelectMany(static s => new[] { s.Value, s.Value.ToLowerInvariant() }));
    }

    private static EgressStep? Step(JobLog log) => log.CurrentStep is { } step ? new(step.Index, step.Name) : null;
}
