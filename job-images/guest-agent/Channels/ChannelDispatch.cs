using System.Collections.Concurrent;
using RunnerVm.GuestAgent.Boot;
using RunnerVm.GuestAgent.Files;
using RunnerVm.GuestAgent.Processes;
using RunnerVm.GuestAgent.Thaw;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Channels;

/// <summary>Takes the channels the host opens and gives each to the code for its kind. Owns the running ones.</summary>
internal sealed class ChannelDispatch(GuestConnection connection, Disks? disks, TimeSpan bootTime, ChildReaper reaper)
{
    private readonly ConcurrentDictionary<uint, Task> _running = new();
    private Workplace? _workplace;

    /// <summary>Serves until the connection ends.</summary>
    public async Task RunAsync()
    {
        await foreach (var channel in connection.AcceptAsync(CancellationToken.None))
        {
            // Thaw is first and alone: nothing else may see a machine that is not yet itself.
            if (channel.Kind == ChannelKind.Thaw)
            {
                await ServeAsync(channel);
                continue;
            }

            var serving = Task.Run(() => ServeAsync(channel));
            _running[channel.Id] = serving;
            _ = serving.ContinueWith(_ => _running.TryRemove(channel.Id, out Task? _), TaskScheduler.Default);
        }

        await Task.WhenAll(_running.Values);
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

    private Task RouteAsync(GuestChannel channel)
    {
        switch (channel.Kind)
        {
            case ChannelKind.Thaw when _workplace is null:
                var (result, workplace) = ThawStep.Run(Messages.Read(channel.Request, Messages.Default.ThawRequest), channel.OpenedAt, disks, connection, bootTime);
                _workplace = workplace;
                channel.Close(Messages.Write(result, Messages.Default.ThawResult));
                return Task.CompletedTask;
            case ChannelKind.PowerOff:
                PowerSwitch.SyncAndOff();
                return Task.CompletedTask;
        }

        if (_workplace is null || channel.Kind == ChannelKind.Thaw)
        {
            channel.Reset(_workplace is null ? "The machine has not been thawed." : "The machine has been thawed already.");
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
