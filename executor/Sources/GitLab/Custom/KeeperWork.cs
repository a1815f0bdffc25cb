using System.Net.Sockets;
using System.Runtime.ExceptionServices;
using System.Text.Json;
using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Logs;

namespace RunnerVm.Sources.GitLab.Custom;

/// <summary>
/// A machine that gitlab-runner drives: scripts come over a Unix socket in the run's folder, one call each, until a call
/// ends it, or the stop request does. Only this user reaches the folder.
/// </summary>
/// <param name="ready">Called when calls are answered.</param>
/// <param name="errands">What the job's gitlab-runner command asks for.</param>
internal sealed class KeeperWork(Job job, Errands errands, StopRequest stop, TimeProvider time, Func<Task> ready) : IJobWork
{
    private const int Backlog = 8;

    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<KeeperLink> _waiting = [];
    private readonly TaskCompletionSource<Exception> _lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _count;

    public async Task<JobOutcome> RunAsync(GuestSession guest, Lease lease)
    {
        errands.Attach(guest, lease.Directory);
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(CustomJob.Socket(lease.Directory)));
        listener.Listen(Backlog);
        await using var stopping = stop.Asked.Register(() => _ended.TrySetResult());
        _ = AcceptAsync(listener, guest);
        await ready();
        await Task.WhenAny(_ended.Task, _lost.Task);
        if (_lost.Task.IsCompleted) ExceptionDispatchInfo.Throw(await _lost.Task);
        return stop.Asked.IsCancellationRequested ? new JobOutcome.Cancelled() : new JobOutcome.Succeeded();
    }

    public Task<JobOutcome> CollectAsync(GuestSession guest, JobOutcome outcome, Lease lease) => Task.FromResult(outcome);

    public Task ServeAsync(GuestChannel channel, CancellationToken cancellationToken) => channel.Kind == ChannelKind.Errand
        ? errands.ServeAsync(channel, cancellationToken)
        : IJobWork.RefuseAsync(channel);

    /// <summary>Answers the calls that were under way when the machine ended. After the run.</summary>
    public async Task TellWaitingAsync(JobOutcome outcome)
    {
        var why = outcome is JobOutcome.RunnerFailed failed ? failed.Message : outcome is JobOutcome.TimedOut ? "The machine's time was over." : "The machine was ended.";
        KeeperLink[] links;
        lock (_waiting) links = [.. _waiting];
        foreach (var link in links)
        {
            try
            {
                await link.SendAsync(KeeperLink.Reply, new(0, why, Lost: true), KeeperJson.Default.KeeperReply, CancellationToken.None);
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The caller has gone; gitlab-runner knows why.
            }
        }
    }

    private async Task AcceptAsync(Socket listener, GuestSession guest)
    {
        try
        {
            while (true) _ = ServeAsync(new KeeperLink(await listener.AcceptAsync()), guest);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The run is over.
        }
    }

    private async Task ServeAsync(KeeperLink link, GuestSession guest)
    {
        lock (_waiting) _waiting.Add(link);
        try
        {
            if (await link.ReceiveAsync(CancellationToken.None) is not (KeeperLink.Call, var content)) return;
            var call = JsonSerializer.Deserialize(content, KeeperJson.Default.KeeperCall);
            if (call is null or { ScriptBytes: < 0 })
            {
                _ended.TrySetResult();
                return;
            }

            if (await link.ReceiveAsync(CancellationToken.None) is not (KeeperLink.Script, var script)) return;
            var started = time.GetTimestamp();
            var reply = (await RunScriptAsync(link, guest, script)) with { GuestMilliseconds = time.GetElapsedTime(started).TotalMilliseconds };
            lock (_waiting) _waiting.Remove(link);
            await link.SendAsync(KeeperLink.Reply, reply, KeeperJson.Default.KeeperReply, CancellationToken.None);
            link.Dispose();
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // It stays among those that wait, until it is known what became of the machine.
            _lost.TrySetResult(e);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or JsonException)
        {
            lock (_waiting) _waiting.Remove(link);
            link.Dispose();
        }
    }

    private async Task<KeeperReply> RunScriptAsync(KeeperLink link, GuestSession guest, byte[] script)
    {
        var name = $"script-{Interlocked.Increment(ref _count)}";
        using var callStop = new StopRequest(time, StepSequence.Grace, stop);
        _ = WatchAsync(link, callStop);
        try
        {
            await guest.SendAsync(GuestPaths.Memory, [new(name, script)], callStop.Abandoned);
            var path = $"{GuestPaths.Memory}/{name}";
            var request = new ExecRequest { Candidates = [["bash", "--noprofile", "--norc", path], ["sh", path]], Environment = [] };
            var result = await guest.ExecAsync(request, (stream, bytes) => ShowAsync(link, stream, bytes), callStop);
            var code = result.ExitCode ?? (result.Signal is { } signal ? 128 + signal : 127);
            return new(code, StepSequence.Diagnose(job, result, code));
        }
        catch (GuestFailedException e)
        {
            return new(1, $"The script could not be brought into the machine: {e.Message}", Lost: true);
        }
    }

    /// <summary>A caller that stops, or that is gone, stops its script.</summary>
    private static async Task WatchAsync(KeeperLink link, StopRequest callStop)
    {
        try
        {
            await link.ReceiveAsync(CancellationToken.None);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // Over either way.
        }

        callStop.Ask();
    }

    private static async ValueTask ShowAsync(KeeperLink link, OutputStream stream, ReadOnlyMemory<byte> bytes)
    {
        try
        {
            await link.SendAsync(stream == OutputStream.StandardOutput ? KeeperLink.Output : KeeperLink.Error, bytes, CancellationToken.None);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Nobody reads on; the script is being stopped.
        }
    }
}
