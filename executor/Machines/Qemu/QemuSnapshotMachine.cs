namespace RunnerVm.Machines.Qemu;

/// <summary>A QEMU whose memory is in a file, with the monitor still at hand.</summary>
/// <param name="socketPath">Where its state will be sent to; free.</param>
/// <param name="stateFile">Where it will lie.</param>
internal sealed class QemuSnapshotMachine(
    EngineProcess process, Stream guestStream, QmpConnection monitor, string socketPath, string stateFile, TimeProvider time) : SnapshotMachine
{
    /// <summary>Some 10 ms are usual; a host short of memory writes a gigabyte of it back first.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(5);

    public override Stream GuestStream => guestStream;

    public override int ProcessId => process.ProcessId;

    public override Task<MachineExit> Exited => process.Exited;

    public override string ConsoleTail => process.OutputTail;

    public override async Task SaveAsync(CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(Limit, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            using var receiver = RunSocket.Listen(socketPath);
            await monitor.ExecuteAsync("migrate-set-capabilities", QmpConnection.IgnoreShared, stop.Token);
            await monitor.ExecuteAsync("migrate", QmpConnection.Uri(socketPath), stop.Token);
            await using (var stream = await receiver.AcceptAsync(stop.Token))
            await using (var file = new FileStream(stateFile, FileMode.CreateNew, FileAccess.Write))
                await stream.CopyToAsync(file, stop.Token);
            await WaitUntilCompletedAsync(stop.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            throw new MachineException($"QEMU could not lay its machine down: {e.Message}", e);
        }

        // Killed, not asked to quit: all disk requests were drained before the state was written, and what it has written is the kernel's.
        await DisposeAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        await process.DisposeAsync();
        await monitor.DisposeAsync();
        await guestStream.DisposeAsync();
    }

    /// <summary>The stream's end alone would also be that of a migration that failed.</summary>
    private async Task WaitUntilCompletedAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            using var answer = await monitor.QueryAsync("query-migrate", cancellationToken);
            var status = answer.RootElement.GetProperty("return").TryGetProperty("status", out var said) ? said.GetString() : null;
            if (status == "completed") return;
            if (status is "failed" or "cancelled") throw new IOException($"its migration has {status}.");
            await Task.Delay(Poll, time, cancellationToken);
        }
    }
}
