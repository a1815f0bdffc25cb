using RunnerVm.GuestProtocol;
using RunnerVm.Logs;

namespace RunnerVm.Guests;

/// <summary>
/// The host's side of one machine's stream: what can be asked of the agent, each a method. Everything that comes back
/// is from a hostile guest and has been bounded here or below. Disposing ends the connection.
/// </summary>
internal sealed class GuestSession : IAsyncDisposable
{
    private readonly GuestConnection _connection;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _serving;

    private GuestSession(GuestConnection connection, Func<GuestChannel, CancellationToken, Task> serve)
    {
        _connection = connection;
        _serving = ServeAsync(serve);
    }

    /// <summary>Waits for the agent's hello.</summary>
    /// <param name="stream">The machine's stream; owned from here on.</param>
    /// <param name="serve">Runs a channel the guest opens to its end, or until this session's; a <see cref="ProtocolException"/> from it ends the session.</param>
    /// <exception cref="ProtocolException">What answered is not our agent, or of another version.</exception>
    public static async Task<GuestSession> ConnectAsync(Stream stream, Func<GuestChannel, CancellationToken, Task> serve, CancellationToken cancellationToken) =>
        new(await GuestConnection.OpenAsync(stream, Role.Host, $"runnervm {Product.Version}", cancellationToken), serve);

    /// <summary>Makes the machine itself: clock, entropy, identity, disks, network.</summary>
    /// <exception cref="GuestFailedException">The agent says it could not.</exception>
    public async Task<ThawResult> ThawAsync(ThawRequest request, CancellationToken cancellationToken)
    {
        await using var channel = _connection.Open(ChannelKind.Thaw, request.ToPayload());
        var result = ThawResult.Read(await channel.Result.WaitAsync(cancellationToken));
        if (result.Error is not null) throw new GuestFailedException($"The guest could not be made ready: {UntrustedText.Line(result.Error)}");
        return result with
        {
            KernelRelease = UntrustedText.Line(result.KernelRelease),
            BootMilliseconds = Milliseconds(result.BootMilliseconds),
            ThawMilliseconds = Milliseconds(result.ThawMilliseconds),
        };
    }

    /// <summary>Makes ready all that is the same in every machine of a kind; afterwards the machine may be laid down.</summary>
    /// <exception cref="GuestFailedException">The agent says it could not.</exception>
    public async Task FreezeAsync(FreezeRequest request, CancellationToken cancellationToken)
    {
        await using var channel = _connection.Open(ChannelKind.Freeze, Messages.Write(request, Messages.Default.FreezeRequest));
        var result = Messages.Read<FreezeResult>(await channel.Result.WaitAsync(cancellationToken), Messages.Default.FreezeResult);
        if (result.Error is not null) throw new GuestFailedException($"The guest could not be made ready: {UntrustedText.Line(result.Error)}");
    }

    /// <summary>Runs one process to its end and passes its output on in order; a slow <paramref name="onOutput"/> slows the process.</summary>
    /// <param name="stop">Asked: SIGTERM to its group. Killed: SIGKILL to all of the step. Abandoned: no longer waited for.</param>
    public async Task<ExecResult> ExecAsync(
        ExecRequest request, Func<OutputStream, ReadOnlyMemory<byte>, ValueTask> onOutput, StopRequest stop)
    {
        var cancellationToken = stop.Abandoned;
        await using var channel = _connection.Open(ChannelKind.Exec, request.ToPayload());
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var stopping = StopWhenAskedAsync(channel, stop, ended.Token);
        try
        {
            while (await channel.ReadAsync(cancellationToken) is { } piece)
            {
                var stream = piece.Lane switch
                {
                    0 => OutputStream.StandardOutput,
                    1 => OutputStream.StandardError,
                    _ => throw new ProtocolException($"The guest sent output in lane {piece.Lane}."),
                };
                await onOutput(stream, piece.Bytes);
            }

            return Check(ExecResult.Read(await channel.Result.WaitAsync(cancellationToken)));
        }
        finally
        {
            await ended.CancelAsync();
            await stopping.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Opens a folder of the guest for the tar stream that <paramref name="write"/> produces.</summary>
    /// <exception cref="GuestFailedException">The guest could not unpack it.</exception>
    public async Task<TarResult> SendTarAsync(string path, Func<Stream, Task> write, CancellationToken cancellationToken)
    {
        await using var channel = _connection.Open(ChannelKind.TarIn, Messages.Write(new TarInRequest { Path = path }, Messages.Default.TarInRequest));
        // Closing a tar writer and its buffer writes once more and takes no token; only a reset ends such a wait.
        await using var registration = cancellationToken.Register(() => channel.Reset("The transfer was cancelled."));
        try
        {
            await using (var buffered = new BufferedStream(channel.AsStream(), Limits.MaxPayload)) await write(buffered);
            channel.End();
        }
        catch (ChannelResetException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        catch (ChannelResetException) when (channel.Result.IsCompletedSuccessfully)
        {
            // The guest closed the channel in the middle; its result says why.
        }

        return Check(Messages.Read<TarResult>(await channel.Result.WaitAsync(cancellationToken), Messages.Default.TarResult));
    }

    /// <summary>Asks for files of the guest; <paramref name="read"/> takes the tar stream to its end.</summary>
    /// <exception cref="GuestFailedException">The guest could not pack them.</exception>
    public async Task<TarResult> ReceiveTarAsync(TarOutRequest request, Func<Stream, Task> read, CancellationToken cancellationToken)
    {
        await using var channel = _connection.Open(ChannelKind.TarOut, Messages.Write(request, Messages.Default.TarOutRequest));
        await read(channel.AsStream());
        return Check(Messages.Read<TarResult>(await channel.Result.WaitAsync(cancellationToken), Messages.Default.TarResult));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _connection.DisposeAsync();
        await _serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task ServeAsync(Func<GuestChannel, CancellationToken, Task> serve)
    {
        var running = new HashSet<Task>();
        await foreach (var channel in _connection.AcceptAsync(CancellationToken.None))
        {
            running.RemoveWhere(static t => t.IsCompleted);
            running.Add(ServeOneAsync(channel, serve));
        }

        await Task.WhenAll(running);
    }

    private async Task ServeOneAsync(GuestChannel channel, Func<GuestChannel, CancellationToken, Task> serve)
    {
        try
        {
            await using (channel) await serve(channel, _stop.Token);
        }
        catch (ProtocolException violation)
        {
            _connection.Abort(violation);
        }
    }

    private static async Task StopWhenAskedAsync(GuestChannel channel, StopRequest stop, CancellationToken ended)
    {
        await UntilAsync(stop.Asked, ended);
        await channel.WriteAsync(2, Messages.Write(new ExecControl { Signal = 15 }, Messages.Default.ExecControl), ended);
        await UntilAsync(stop.Killed, ended);
        await channel.WriteAsync(2, Messages.Write(new ExecControl { Kill = true }, Messages.Default.ExecControl), ended);
    }

    /// <summary>Waits for one token; the other ends the wait with an exception.</summary>
    private static async Task UntilAsync(CancellationToken wanted, CancellationToken ended)
    {
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = wanted.Register(reached.SetResult);
        await reached.Task.WaitAsync(ended);
    }

    private static double Milliseconds(double claimed) => double.IsFinite(claimed) ? Math.Clamp(claimed, 0, 86_400_000) : 0;

    private static ExecResult Check(ExecResult result)
    {
        if (result.ExitCode is < 0 or > 255 || result.Signal is < 1 or > 64)
            throw new ProtocolException($"The guest reported exit code {result.ExitCode} and signal {result.Signal}.");
        if (result.ExitCode is null && result.Signal is null && result.Error is null)
            throw new ProtocolException("The guest reported a process's end without its status.");
        return result with { Error = result.Error is null ? null : UntrustedText.Line(result.Error) };
    }

    // A default of an init property is lost where the guest leaves it out.
    private static TarResult Check(TarResult result) => result.Error is null
        ? result with { Unmatched = result.Unmatched ?? [] }
        : throw new GuestFailedException(UntrustedText.Line(result.Error));
}

/// <summary>The agent did what it was told to and failed; its sentence, made safe to print.</summary>
internal sealed class GuestFailedException(string message) : Exception(message);
