using System.Text.Json;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>Jobs and runners, and how they find each other.</summary>
public sealed partial class GitHubWorld
{
    /// <summary>The service puts no more into one message; the rest comes with the next.</summary>
    private const int EntriesInMessage = 50;

    private readonly List<StandInRun> _runs = [];
    private readonly List<StandInRunner> _runners = [];
    private readonly List<StandInScaleSet> _scaleSets = [];
    private readonly List<StandInCheck> _checks = [];

    public IReadOnlyList<StandInRun> Runs
    {
        get
        {
            lock (Gate) return [.. _runs];
        }
    }

    /// <summary>What Apps said beside jobs.</summary>
    public IReadOnlyList<StandInCheck> Checks
    {
        get
        {
            lock (Gate) return [.. _checks];
        }
    }

    /// <summary>Those that are registered now.</summary>
    public IReadOnlyList<StandInRunner> Runners
    {
        get
        {
            lock (Gate) return [.. _runners.Where(static r => !r.Removed)];
        }
    }

    public IReadOnlyList<StandInScaleSet> ScaleSets
    {
        get
        {
            lock (Gate) return [.. _scaleSets.Where(static s => !s.Deleted)];
        }
    }

    /// <summary>A push: one run with one job.</summary>
    public StandInJob QueueJob(string repository, params string[] labels) => QueueRun(repository, labels).Jobs[0];

    /// <summary>A push whose one job does this.</summary>
    public StandInJob QueueScript(string repository, string label, string script) => QueueWork(repository, label, OneStep(script));

    /// <summary>A push whose one job does this.</summary>
    public StandInJob QueueWork(string repository, string label, StandInWork work) => Queue(repository, [[label]], work).Jobs[0];

    /// <summary>A push: one run with a job for each set of labels.</summary>
    public StandInRun QueueRun(string repository, params string[][] labels) => Queue(repository, labels, OneStep("echo hello"));

    private static StandInWork OneStep(string script) => new() { Steps = [new("Run it", script)] };

    private StandInRun Queue(string repository, string[][] labels, StandInWork work)
    {
        lock (Gate)
        {
            var run = new StandInRun { Id = NextId(), Repository = repository };
            foreach (var set in labels)
            {
                run.Jobs.Add(new()
                {
                    Id = NextId(), Run = run, Name = $"job-{run.Jobs.Count + 1}", Labels = set, Work = work, Created = Time.GetUtcNow(), RequestId = NextId(),
                });
            }

            _runs.Add(run);
            AssignNeedsLock();
            Change();
            return run;
        }
    }

    public void Cancel(StandInJob job)
    {
        lock (Gate)
        {
            job.CancelAsked = true;
            if (job.Status is "queued" or "waiting") CompleteNeedsLock(job, "cancelled");
            Change();
        }
    }

    /// <summary>Does at once what a runner does with its job, as far as the services see it.</summary>
    public void RunToEnd(long runnerId, StandInJob job, string conclusion)
    {
        lock (Gate)
        {
            var runner = FindRunner(r => r.Id == runnerId) ?? throw new InvalidOperationException($"There is no runner {runnerId}.");
            (job.Runner, runner.Job, runner.Online) = (runner, job, true);
            Start(job);
            Complete(job, conclusion);
        }
    }

    internal void Add(StandInCheck check)
    {
        lock (Gate)
        {
            _checks.Add(check);
            Change();
        }
    }

    internal StandInRunner? AddRunner(string scope, string name, IReadOnlyList<string> labels, long group, StandInScaleSet? set)
    {
        lock (Gate)
        {
            if (_runners.Exists(r => !r.Removed && r.Name == name)) return null;
            var runner = new StandInRunner { Id = NextId(), Name = name, Scope = scope, Labels = labels, GroupId = group, ScaleSet = set };
            _runners.Add(runner);
            Change();
            return runner;
        }
    }

    internal StandInRunner? FindRunner(Func<StandInRunner, bool> which)
    {
        lock (Gate) return _runners.Find(r => !r.Removed && which(r));
    }

    internal void Remove(StandInRunner runner)
    {
        lock (Gate)
        {
            runner.Removed = true;
            Change();
        }
    }

    /// <summary>A job this runner may have, handed to it; null when there is none now.</summary>
    internal StandInJob? Take(StandInRunner runner)
    {
        lock (Gate)
        {
            if (runner.Job is not null) return null;
            var job = _runs.SelectMany(static r => r.Jobs).FirstOrDefault(j => j is { Status: "queued", Runner: null } && Fits(j, runner));
            if (job is null) return null;
            (job.Runner, runner.Job) = (runner, job);
            return job;
        }
    }

    internal void Start(StandInJob job)
    {
        lock (Gate)
        {
            job.Status = "in_progress";
            job.Starts++;
            if (job.ScaleSet is { } set) SendNeedsLock(set, Entry("JobStarted", job));
            Change();
        }
    }

    internal void Complete(StandInJob job, string conclusion)
    {
        lock (Gate)
        {
            CompleteNeedsLock(job, conclusion);
            if (job.Runner is { } runner) runner.Removed = true;
            AssignNeedsLock();
            Change();
        }
    }

    /// <summary>Sessions and runners of which nothing is heard any more end, and with a runner the job it had.</summary>
    private void LoseTheSilent()
    {
        if (Knobs.LostAfter is not { } patience) return;
        lock (Gate)
        {
            var since = Environment.TickCount64 - (long)patience.TotalMilliseconds;
            foreach (var set in _scaleSets.Where(s => s.Session is not null && s.Heard < since)) (set.Session, set.Capacity) = (null, 0);
            foreach (var runner in _runners.Where(r => !r.Removed && r.Online && r.Heard < since)) LoseNeedsLock(runner);
            Change();
        }
    }

    private void LoseNeedsLock(StandInRunner runner)
    {
        (runner.Online, runner.Session) = (false, null);
        if (runner.Job is not { Status: not "completed" } job) return;
        if (job.Status == "queued")
        {
            // Handed to it, and never taken.
            (job.Runner, runner.Job) = (null, null);
            return;
        }

        CompleteNeedsLock(job, "failure");
        runner.Removed = true;
    }

    private void CompleteNeedsLock(StandInJob job, string conclusion)
    {
        (job.Status, job.Conclusion) = ("completed", conclusion);
        if (job.ScaleSet is { } set) SendNeedsLock(set, Entry("JobCompleted", job));
    }

    /// <summary>As GitHub: a runner's labels hold all the job wants; a scale set's runner takes what was given to its set.</summary>
    private static bool Fits(StandInJob job, StandInRunner runner)
    {
        if (runner.ScaleSet is { } set) return job.ScaleSet == set;
        return job.ScaleSet is null && Reaches(runner.Scope, job.Run.Repository)
            && job.Labels.All(l => runner.Labels.Contains(l, StringComparer.OrdinalIgnoreCase));
    }

    private static bool Reaches(string scope, string repository) =>
        scope == $"repos/{repository}" || scope == $"orgs/{repository.Split('/')[0]}" || scope.StartsWith("enterprises/", StringComparison.Ordinal);

    /// <summary>Gives queued jobs to scale sets that said they have room.</summary>
    internal void AssignNeedsLock()
    {
        foreach (var set in _scaleSets.Where(static s => s is { Deleted: false, Session: not null }))
        {
            foreach (var job in _runs.SelectMany(static r => r.Jobs).Where(j => j is { Status: "queued", ScaleSet: null, Runner: null }))
            {
                if (AssignedNeedsLock(set).Count + set.Offered.Count(static j => j is { Status: "queued", ScaleSet: null }) >= set.Capacity) break;
                if (!job.Labels.All(l => set.Labels.Contains(l, StringComparer.OrdinalIgnoreCase))) continue;
                if (Knobs.JobsMustBeAcquired) Offer(set, job);
                else Give(set, job);
            }
        }
    }

    internal IReadOnlyList<StandInJob> AssignedNeedsLock(StandInScaleSet set) =>
        [.. _runs.SelectMany(static r => r.Jobs).Where(j => j.ScaleSet == set && j.Status != "completed")];

    internal IReadOnlyList<StandInRunner> RunnersNeedsLock(StandInScaleSet set) => [.. _runners.Where(r => !r.Removed && r.ScaleSet == set)];

    internal void AddScaleSet(StandInScaleSet set)
    {
        lock (Gate) _scaleSets.Add(set);
    }

    /// <summary>The ids of an acquisition that are still to be had.</summary>
    internal IReadOnlyList<long> Acquire(StandInScaleSet set, IReadOnlyList<long> ids)
    {
        lock (Gate)
        {
            var jobs = set.Offered.Where(j => j is { Status: "queued", ScaleSet: null } && ids.Contains(j.RequestId)).ToList();
            foreach (var job in jobs) Give(set, job);
            Change();
            return [.. jobs.Select(static j => j.RequestId)];
        }
    }

    private void Offer(StandInScaleSet set, StandInJob job)
    {
        if (set.Offered.Add(job)) SendNeedsLock(set, Entry("JobAvailable", job));
    }

    private void Give(StandInScaleSet set, StandInJob job)
    {
        job.ScaleSet = set;
        SendNeedsLock(set, Entry("JobAssigned", job));
    }

    /// <summary>Entries are gathered until somebody polls.</summary>
    private static void SendNeedsLock(StandInScaleSet set, string entry) => set.PendingEntries.Add(entry);

    internal StandInMessage? NextMessageNeedsLock(StandInScaleSet set)
    {
        if (set.Messages.TryPeek(out var waiting)) return waiting;
        if (set.PendingEntries.Count == 0) return null;
        var message = new StandInMessage { Id = ++set.LastMessage, Entries = [.. set.PendingEntries.Take(EntriesInMessage)] };
        set.PendingEntries.RemoveRange(0, message.Entries.Count);
        set.Messages.Enqueue(message);
        return message;
    }

    private static string Entry(string type, StandInJob job)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("messageType", type);
            json.WriteNumber("runnerRequestId", job.RequestId);
            json.WriteString("jobId", job.JobGuid);
            json.WriteString("ownerName", job.Run.Repository.Split('/')[0]);
            json.WriteString("repositoryName", job.Run.Repository.Split('/')[1]);
            json.WriteString("jobDisplayName", job.Name);
            json.WriteString("jobWorkflowRef", $"{job.Run.Repository}/.github/workflows/ci.yml@refs/heads/main");
            json.WriteNumber("workflowRunId", job.Run.Id);
            json.WriteString("eventName", "push");
            json.WriteString("queueTime", job.Created);
            json.WriteStartArray("requestLabels");
            foreach (var label in job.Labels) json.WriteStringValue(label);
            json.WriteEndArray();
            if (type == "JobAvailable") json.WriteString("acquireJobUrl", "https://unused.example/");
            if (type is "JobStarted" or "JobCompleted")
            {
                json.WriteNumber("runnerId", job.Runner?.Id ?? 0);
                json.WriteString("runnerName", job.Runner?.Name ?? "");
            }

            if (type == "JobCompleted") json.WriteString("result", Result(job.Conclusion));
            json.WriteString("somethingNew", "which an older client skips");
            json.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(buffer.ToArray());
    }

    /// <summary>The scale set service speaks the runner's words, not the API's.</summary>
    private static string Result(string? conclusion) => conclusion switch { "success" => "succeeded", "failure" => "failed", _ => "canceled" };
}
