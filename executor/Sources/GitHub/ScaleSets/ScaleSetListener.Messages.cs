using System.Text.Json;
using RunnerVm.Options.Yaml;
using RunnerVm.Sources.GitHub.Runners;

namespace RunnerVm.Sources.GitHub.ScaleSets;

/// <content>What a message does. Acknowledged before it is acted on, as the service expects; acting twice would do no harm.</content>
internal sealed partial class ScaleSetListener
{
    private const int MaximumName = 200;

    private async Task HandleAsync(ScaleSetMessage message, CancellationToken stop)
    {
        await _session!.AcknowledgeAsync(message.MessageId, stop);
        // The queue delivers again what it thinks is not acknowledged; its counts are those of then.
        if (message.MessageId <= _lastMessage) return;
        _lastMessage = message.MessageId;
        var entries = Entries(message);
        await AcquireAsync(entries, stop);
        foreach (var entry in entries) Apply(entry);
        Record(message.Statistics);
    }

    private IReadOnlyList<ScaleSetJobEntry> Entries(ScaleSetMessage message)
    {
        if (message.MessageType != ScaleSetMessage.JobMessages)
        {
            log.Warning("Scale set {Name}: a message of unknown type {Type} is skipped", options.Name, Quoted.Line(message.MessageType ?? "", MaximumName));
            return [];
        }

        if (string.IsNullOrEmpty(message.Body)) return [];
        try
        {
            return JsonSerializer.Deserialize(message.Body, ScaleSetJson.Default.IReadOnlyListScaleSetJobEntry) ?? [];
        }
        catch (JsonException e)
        {
            // Its counts are good all the same, and they decide.
            log.Warning("Scale set {Name}: the entries of message {Id} cannot be read: {Reason}", options.Name, message.MessageId, Quoted.Line(e.Message, MaximumName));
            return [];
        }
    }

    /// <summary>Older servers offer jobs; as many are taken as there is room for.</summary>
    private async Task AcquireAsync(IReadOnlyList<ScaleSetJobEntry> entries, CancellationToken stop)
    {
        var offered = entries.Where(static e => e.MessageType == "JobAvailable").Select(static e => e.RunnerRequestId).Distinct().ToList();
        if (offered.Count == 0) return;
        var room = Math.Max(capacity() - _statistics.TotalAssignedJobs, 0);
        if (room > 0) await _session!.AcquireAsync([.. offered.Take(room)], stop);
    }

    private void Apply(ScaleSetJobEntry entry)
    {
        switch (entry)
        {
            case { MessageType: "JobStarted", RunnerName: { } runner }:
                if (fleet.JobStarted(runner, Facts(entry)) && entry.QueueTime is { } queued) Started(time.GetUtcNow() - queued);
                break;
            case { MessageType: "JobCompleted", RunnerName: { Length: > 0 } runner }:
                log.Information("{Job} is {Result} on {Runner}", Facts(entry).ToString(), Quoted.Line(entry.Result ?? "over", MaximumName), Quoted.Line(runner, MaximumName));
                fleet.JobCompleted(runner, entry.Result);
                break;
        }
    }

    private static GitHubJobFacts Facts(ScaleSetJobEntry entry) =>
        new(Quoted.Line($"{entry.OwnerName}/{entry.RepositoryName}", MaximumName), Quoted.Line(entry.JobDisplayName ?? "", MaximumName), entry.WorkflowRunId)
        {
            WorkflowRef = entry.JobWorkflowRef is { } workflow ? Quoted.Line(workflow, MaximumName) : null,
        };
}
