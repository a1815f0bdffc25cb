using System.Security.Cryptography;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>All there is at this GitHub, under one lock; what waits for a change waits on <see cref="ChangedAsync"/>.</summary>
public sealed partial class GitHubWorld : IDisposable
{
    private readonly CancellationTokenSource _end = new();
    private TaskCompletionSource _changed = New();
    private long _lastId = 1000;

    private readonly Timer _watch;
    private Uri? _runnerUrl;

    internal GitHubWorld(TimeProvider time)
    {
        (Time, Tokens) = (time, new(time));
        _watch = new(_ => LoseTheSilent(), null, TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(100));
    }

    public Uri Url { get; internal set; } = new("http://127.0.0.1");

    /// <summary>Where runners are told that this GitHub is: machines have another name for the host than the host itself.</summary>
    public Uri RunnerUrl
    {
        get => _runnerUrl ?? Url;
        set => _runnerUrl = value;
    }

    public Knobs Knobs { get; } = new();

    public RequestLog Requests { get; } = new();

    public TokenBook Tokens { get; }

    /// <summary>Of the official runner.</summary>
    public Releases Releases { get; } = new();

    /// <summary>Requests left, said instead of the count; null: counted.</summary>
    public int? RateLimitRemaining { get; set; }

    /// <summary>Which runner a token was given to.</summary>
    internal System.Collections.Concurrent.ConcurrentDictionary<string, long> RunnerTokens { get; } = new();

    internal TimeProvider Time { get; }

    internal Lock Gate { get; } = new();

    internal CancellationToken Ended => _end.Token;

    public void Dispose()
    {
        _watch.Dispose();
        _end.Cancel();
        _end.Dispose();
    }

    /// <summary>Waits until what a look at the world gives is there; tests' way of waiting for an event.</summary>
    public async Task<T> UntilAsync<T>(Func<GitHubWorld, T?> look, CancellationToken cancellationToken)
        where T : class
    {
        while (true)
        {
            var changed = ChangedAsync();
            lock (Gate)
            {
                if (look(this) is { } found) return found;
            }

            await changed.WaitAsync(cancellationToken);
        }
    }

    internal static string NewSecret(string prefix) => prefix + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(20));

    internal long NextId() => Interlocked.Increment(ref _lastId);

    /// <summary>Ends with the next change.</summary>
    internal Task ChangedAsync()
    {
        lock (Gate) return _changed.Task;
    }

    internal void Change()
    {
        lock (Gate)
        {
            _changed.TrySetResult();
            _changed = New();
        }
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
