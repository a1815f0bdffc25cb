using System.Net.Sockets;

namespace RunnerVm.Machines.Firecracker;

/// <summary>A machine whose monitor can be asked to lay it down.</summary>
internal sealed class FirecrackerSnapshotMachine(
    EngineProcess process, Stream guestStream, string apiSocket, SnapshotFiles files, TimeProvider time) : SnapshotMachine
{
    /// <summary>A second for a gigabyte that is written, and a slow disk behind it.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

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
            using var api = new FirecrackerApi(apiSocket, "Cannot lay a machine down");
            await api.PatchAsync("/vm", new("Paused"), ApiJson.Default.ApiVm, stop.Token);
            await api.PutAsync("/snapshot/create", new("Full", files.State, files.Memory), ApiJson.Default.ApiSnapshotCreate, stop.Token);
        }
        catch (Exception e) when (e is IOException or HttpRequestException or SocketException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new MachineException($"Cannot lay a machine down: {e.Message}", e);
        }

        // It stands still: what its guest wrote to the scratch disk is the kernel's by now.
        await DisposeAsync();
    }

    public override async ValueTask DisposeAsync()
    {
        await process.DisposeAsync();
        await guestStream.DisposeAsync();
    }
}
