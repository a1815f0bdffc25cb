using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;
using RunnerVm.GuestProtocol;

namespace RunnerVm.GuestAgent.Processes;

/// <summary>A running process, its ends of the pipes or the terminal, and what the host may do to it.</summary>
internal sealed class StartedStep : IAsyncDisposable
{
    private const byte InputLane = 0;
    private const byte ControlLane = 2;

    private readonly GuestChannel _channel;
    private readonly Child _child;
    private readonly OutputPump _output;
    private readonly InputFeed? _input;
    private readonly Terminal? _terminal;
    private readonly StepCgroup? _cgroup;
    private readonly ChildReaper _reaper;
    private readonly Task _listening;
    private volatile bool _askedToStop;

    private StartedStep(
        GuestChannel channel, Child child, OutputPump output, InputFeed? input, Terminal? terminal, StepCgroup? cgroup, ChildReaper reaper)
    {
        (_channel, _child, _output, _input, _terminal, _cgroup, _reaper) = (channel, child, output, input, terminal, cgroup, reaper);
        _listening = ListenAsync();
    }

    /// <param name="waiting">A process of this step's that was forked ahead of time; not used where it does not fit.</param>
    /// <param name="disk">Looked at while the step runs.</param>
    /// <exception cref="CannotStartException">The process did not start.</exception>
    public static StartedStep Start(
        GuestChannel channel, ExecRequest request, CommandChoice command, Dictionary<string, string> environment, string folder,
        StepCgroup? cgroup, ChildReaper reaper, WaitingChild? waiting, DiskWatch disk)
    {
        if (waiting is not null && channel.Kind == ChannelKind.Exec && !request.Input && waiting.TryStart(command, environment, folder))
        {
            return new(channel, waiting.Child, new(channel, disk, waiting.Ended, (waiting.Output, 0), (waiting.Error, 1)), null, null, cgroup, reaper);
        }

        Child Launch(SpawnPlan plan) =>
            reaper.Start(() => cgroup is null ? Spawner.Spawn(plan) : cgroup.Spawn(() => Spawner.Spawn(plan)));

        if (channel.Kind == ChannelKind.Pty)
        {
            var terminal = Terminal.Open(request.Rows, request.Columns);
            try
            {
                var child = Launch(new(command, environment, folder, terminal.Path, []));
                return new(
                    channel, child, new(channel, disk, null, (terminal.DuplicateMaster(), 0)), new(terminal.DuplicateMaster(), isTerminal: true), terminal, cgroup, reaper);
            }
            catch
            {
                terminal.Dispose();
                throw;
            }
        }

        var (inputRead, inputWrite) = request.Input ? KernelFile.Pipe() : (KernelFile.Open("/dev/null", Libc.O_RDONLY), null);
        var (outputRead, outputWrite) = KernelFile.Pipe();
        var (errorRead, errorWrite) = KernelFile.Pipe();
        using (inputRead)
        using (outputWrite)
        using (errorWrite)
        {
            try
            {
                var child = Launch(new(command, environment, folder, null, [inputRead, outputWrite, errorWrite]));
                return new(channel, child, new(channel, disk, null, (outputRead, 0), (errorRead, 1)), inputWrite is null ? null : new(inputWrite, isTerminal: false), null, cgroup, reaper);
            }
            catch
            {
                inputWrite?.Dispose();
                outputRead.Dispose();
                errorRead.Dispose();
                throw;
            }
        }
    }

    /// <summary>Waits for the process and for its output to be on its way. A host that gives up ends the whole step.</summary>
    public async Task<ProcessEnd> WaitAsync()
    {
        try
        {
            // On the accepting side the result faults when the channel is reset, and never completes otherwise.
            await Task.WhenAny(_child.Ended, _channel.Result);
            if (!_child.Ended.IsCompleted) throw new ChannelResetException("The host gave up on the step.");
            // Asked to stop, and its main process has: nothing it left behind may go on beside the steps that follow.
            if (_askedToStop) Kill();
            _output.OnEnded();
            var delivered = _output.Delivered;
            await Task.WhenAny(delivered, _channel.Result);
            if (!delivered.IsCompletedSuccessfully) throw new ChannelResetException("The host gave up on the step.");
            return await _child.Ended;
        }
        catch (ChannelResetException)
        {
            Kill();
            _output.OnEnded();
            throw;
        }
    }

    /// <summary>The process has ended, or nobody wants it. Resets the channel if it is not over.</summary>
    public async ValueTask DisposeAsync()
    {
        _channel.Reset("The step is over.");
        _input?.Dispose();
        await _listening;
        _terminal?.Dispose();
    }

    /// <summary>Serves the host's messages until the channel is over.</summary>
    private async Task ListenAsync()
    {
        try
        {
            while (await _channel.ReadAsync() is { } received)
            {
                if (received.Lane == InputLane && _input is not null) await _input.AddAsync(received.Bytes);
                else if (received.Lane == ControlLane) await ObeyAsync(Messages.Read(received.Bytes, Messages.Default.ExecControl));
            }

            if (_input is not null) await _input.EndAsync();
        }
        catch (ChannelResetException)
        {
            // The step is over, or the host gave up, which WaitAsync sees.
        }
    }

    private async Task ObeyAsync(ExecControl control)
    {
        if (control.Signal is Libc.SIGTERM) _askedToStop = true;
        if (control.Signal is { } signal) _reaper.Signal(_child, signal);
        if (control.Kill) Kill();
        if (control.EndInput && _input is not null) await _input.EndAsync();
        if (control.WindowSize is [var rows, var columns]) _terminal?.Resize(rows, columns);
    }

    private void Kill()
    {
        if (_cgroup?.TryKill() != true) _reaper.Signal(_child, Libc.SIGKILL);
    }
}
