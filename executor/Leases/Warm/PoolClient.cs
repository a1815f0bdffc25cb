using System.Globalization;
using System.Net.Sockets;
using System.Text.Json;
using RunnerVm.Machines;
using RunnerVm.Snapshots;
using RunnerVm.Store;

namespace RunnerVm.Leases.Warm;

/// <summary>Takes machines of the pool that runs beside us, in the same data directory.</summary>
internal sealed class PoolClient(DataDirectory data, TimeProvider time) : IWarmMachines
{
    /// <summary>A pool answers within a millisecond; one that hangs must not hold a job up, which can start without it.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly string _path = Path.Combine(data.Runs, PoolProtocol.RunName, PoolProtocol.SocketName);

    public async Task<Machine?> TakeAsync(SnapshotKey key, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(Patience, time);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        NetworkStream? stream = null;
        try
        {
            stream = await AskAsync($"{PoolProtocol.Take} {key.Name}", patience.Token);
            var answer = (await PoolProtocol.ReadLineAsync(stream, PoolProtocol.LongestRequest, patience.Token)).Split(' ');
            if (answer is [PoolProtocol.Taken, var id, var pid])
                return new PooledMachine(stream, int.Parse(pid, CultureInfo.InvariantCulture), WatchAsync(id), time);
        }
        catch (Exception e) when (e is IOException or SocketException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            // No pool runs, or it is ending.
        }

        if (stream is not null) await stream.DisposeAsync();
        return null;
    }

    private async Task<NetworkStream> AskAsync(string line, CancellationToken cancellationToken)
    {
        var stream = await RunSocket.ConnectAsync(_path, cancellationToken);
        try
        {
            await PoolProtocol.WriteLineAsync(stream, line, cancellationToken);
            return stream;
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    /// <summary>How that machine ends. Where the pool ends first, its machines end with it.</summary>
    private async Task<PoolExit> WatchAsync(string id)
    {
        try
        {
            await using var stream = await AskAsync($"{PoolProtocol.Watch} {id}", CancellationToken.None);
            var line = await PoolProtocol.ReadLineAsync(stream, PoolProtocol.LongestExit, CancellationToken.None);
            if (line != PoolProtocol.None && JsonSerializer.Deserialize(line, PoolJson.Default.PoolExit) is { } exit) return exit;
        }
        catch (Exception e) when (e is IOException or SocketException or JsonException)
        {
            // As below.
        }

        return new(137, "The pool that had it has ended.", "");
    }
}
