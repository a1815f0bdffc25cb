using System.Collections.Concurrent;
using RunnerVm.GuestAgent.Boot;
using RunnerVm.GuestAgent.Files;
using RunnerVm.GuestAgent.Processes;
using RunnerVm.GuestAgent.Thaw;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Channels;

/// <summary>Takes the channels the host opens and gives each to the code for its kind. Owns the running ones.</summary>
internal sealed class ChannelDispatch(HostLink host, Disks? disks, TimeSpan bootTime, ChildReaper reaper)
{
    private readonly ConcurrentDictionary<uint, Task> _running = new();
    private PreparedMachine? _frozen;
    private Workplace? _workplace;

    /// <summary>Serves until the connection ends.</summary>
    public async Task RunAsync()
    {
        host.Connection.TakesAtOnce = TryServeAtOnce;
        await foreach (var channel in host.Connection.AcceptAsync(CancellationToken.None))
        {
            // One that came before anybody asked.
            if (!TryServeAtOnce(channel)) Serve(channel, Task.Run(() => ServeAsync(channel)));
        }

        await Task.WhenAll(_running.Values);
    }

    /// <summary>
    /// Thaw and freeze are alone: nothing else may see a machine that is not yet itself. The first step is started where its request is read,
    /// without the way over two other threads that a restored machine would have to go for the first time; then it is waited for like all else.
    /// Later ones are not: what they start in is a job's by then, and could hold up whoever reads.
    /// </summary>
    private bool TryServeAtOnce(GuestChannel channel)
    {
        switch (channel.Kind)
        {
            case ChannelKind.Thaw or ChannelKind.Freeze:
                ServeAsync(channel).GetAwaiter().GetResult();
                return true;
            case ChannelKind.Exec when _workplace is { IsFresh: true }:
                Serve(channel, ServeAsync(channel));
                return true;
            default:
                return false;
        }
    }

    private void Serve(GuestChannel channel, Task serving)
    {
        _running[channel.Id] = serving;
        _ = serving.ContinueWith(_ => _running.TryRemove(channel.Id, out Task? _), TaskScheduler.Default);
    }

    private async Task ServeAsync(GuestChannel channel)
    {
        await using (channel)
        {
            try
            {
                await RouteAsync(channel);
            }
            catch (ChannelResetException)
            {
                // The host no longer wants it.
            }
            catch (Exception e)
            {
                // One broken call must not end the job; the host sees the reason.
                AgentConsole.Line($"{channel.Kind} failed: {e.GetType().Name}: {e.Message}");
                channel.Reset($"{channel.Kind} failed in the guest: {e.Message}");
            }
        }
    }

    private void Thaw(GuestChannel channel)
    {
        var request = ThawRequest.Read(channel.Request.Span);
        var (result, workplace) = ThawStep.Run(
            request, channel.OpenedAt, _frozen, () => PreparedMachine.Make(request.Workspace, request.Network, disks, host.Connection), host.Connection, bootTime);
        host.MayBeginAfresh = false;
        _workplace = workplace;
        channel.Close(result.ToPayload());
    }

    /// <summary>Steps may run from here on: whatever they leave in caches is warm in every copy. What they leave elsewhere, too.</summary>
    private void Freeze(GuestChannel channel)
    {
        var request = Messages.Read(channel.Request, Messages.Default.FreezeRequest);
        var result = new FreezeResult();
        try
        {
            _frozen = PreparedMachine.Make(request.Workspace, request.Network, disks, host.Connection);
            _workplace = _frozen.ToWarmUpPlace();
            _frozen.Waiting = WaitingChild.TryFork(_frozen.Cgroups?.PrepareFirstStep(), _frozen.Workspace, reaper);
            if (request.Shell is { } shell) _frozen.PrepareShell(shell);
            ThawStep.Rehearse();
            host.MayBeginAfresh = true;
        }
        catch (Exception e) when (e is IOException or System.ComponentModel.Win32Exception)
        {
            result = new() { Error = e.Message };
        }

        channel.Close(Messages.Write(result, Messages.Default.FreezeResult));
    }

    private Task RouteAsync(GuestChannel channel)
    {
        switch (channel.Kind)
        {
            case ChannelKind.Thaw when _workplace is null || host.MayBeginAfresh:
                Thaw(channel);
                return Task.CompletedTask;
            case ChannelKind.Freeze when _workplace is null:
                Freeze(channel);
                return Task.CompletedTask;
            case ChannelKind.PowerOff:
                PowerSwitch.SyncAndOff();
                return Task.CompletedTask;
        }

        if (_workplace is null || channel.Kind is ChannelKind.Thaw or ChannelKind.Freeze)
        {
            channel.Reset(_workplace is null ? "The machine has not been thawed." : "The machine has been made ready already.");
            return Task.CompletedTask;
        }

        switch (channel.Kind)
        {
            case ChannelKind.Exec:
            case ChannelKind.Pty:
                return ExecCall.RunAsync(channel, _workplace, reaper);
            case ChannelKind.TarIn:
            case ChannelKind.TarOut:
                return TarCall.RunAsync(channel);
            case ChannelKind.Forward:
                return ForwardPipe.RunAsync(channel);
            default:
                channel.Reset($"The agent does not know channels of kind {(int)channel.Kind}.");
                return Task.CompletedTask;
        }
    }
}
