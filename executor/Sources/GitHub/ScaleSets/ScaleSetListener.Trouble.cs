using System.Net;

namespace RunnerVm.Sources.GitHub.ScaleSets;

/// <content>What failed decides where to go on and after how long.</content>
internal sealed partial class ScaleSetListener
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(60);

    /// <summary>The session of a listener that was killed ends after about a minute; asking more often does not help.</summary>
    private static readonly TimeSpan ConflictPause = TimeSpan.FromSeconds(10);
    private const int PatientConflicts = 15;

    private TimeSpan _backoff = FirstPause;
    private TimeSpan _pause;
    private ListenerState _resume;
    private int _conflicts;

    private ListenerState Judge(Exception e)
    {
        (_resume, _pause) = e switch
        {
            ServiceException { ScaleSetIsGone: true } => (ListenerState.Adopting, Grow()),
            ServiceException { SessionIsTaken: true } when State == ListenerState.Opening => (ListenerState.Opening, Conflict()),
            // The queue or its session is not there any more, or its token stays refused: a new session has both.
            ServiceException { Status: HttpStatusCode.NotFound or HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.Gone } when State == ListenerState.Polling => (ListenerState.Opening, Grow()),
            GitHubException { RetryAt: { } at } => (State, at - time.GetUtcNow()),
            GitHubException { IsTransient: true } => (State, Grow()),
            // Wrong key, missing permission, a group that is not there: for somebody to mend, and looked at again once a minute.
            GitHubException or UserException => (State, LongestPause),
            _ => (State, Grow()),
        };
        if (_pause < FirstPause) _pause = FirstPause;
        if (Trouble != e.Message) log.Warning("Scale set {Name}: {Reason} Tried again in {Seconds} s. Activity: {Activity}", options.Name, e.Message, (int)_pause.TotalSeconds, Activity(e));
        Trouble = e.Message;
        return ListenerState.Pausing;
    }

    private async Task<ListenerState> PauseAsync(CancellationToken stop)
    {
        await Task.Delay(_pause, time, stop);
        return _resume;
    }

    private static string Activity(Exception e) => (e as ServiceException)?.Activity ?? (e as GitHubException)?.Activity ?? "none";

    private void Recover() => (Trouble, _backoff, _conflicts) = (null, FirstPause, 0);

    private TimeSpan Grow()
    {
        var pause = _backoff;
        _backoff = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        return pause;
    }

    private TimeSpan Conflict()
    {
        if (++_conflicts == PatientConflicts)
            log.Error("Scale set {Name}: its session stays taken. Does another agent listen to the same set? Each host needs a set of its own; they may share labels", options.Name);
        return _conflicts < PatientConflicts ? ConflictPause : LongestPause;
    }
}
