using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Sockets;
using System.Text.Json;
using RunnerVm.Machines;

namespace RunnerVm.Leases.Warm;

/// <summary>
/// Hands a pool's machines to other processes of the same user. A machine stays this process's child and its stream is passed on byte
/// by byte, because a descriptor can be handed over by calls of the C library only; the machine ends with the connection.
/// </summary>
internal sealed class PoolServer : IAsyncDisposable
{
    private const int RelayBuffer = 64 * 1024;

    /// <summary>For the second connection of who was given a machine; he makes it at once.</summary>
    private static readonly TimeSpan WatchLimit = TimeSpan.FromSeconds(10);

    private readonly WarmPool _pool;
    private readonly Socket _listener;
    private readonly string _path;
    private readonly Action<string> _told;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<int, Task> _serving = new();
    private readonly ConcurrentDictionary<string, Loan> _loans = new();
    private int _connections;

    /// <param name="lease">Of the name <see cref="PoolProtocol.RunName"/>: its folder, which is the owner's alone, holds the socket.</param>
    /// <exception cref="SocketException">The socket cannot be bound.</exception>
    public PoolServer(WarmPool pool, Lease lease, Action<string> told, TimeProvider time)
    {
        (_pool, _told, _time) = (pool, told, time);
        _path = Path.Combine(lease.Directory, PoolProtocol.SocketName);
        _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _listener.Bind(new UnixDomainSocketEndPoint(_path));
        File.SetUnixFileMode(_path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        _listener.Listen();
    }

    /// <summary>Serves until cancelled; then ends the machines that were taken.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            Socket connection;
            try
            {
                connection = await _listener.AcceptAsync(cancellationToken);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            var number = Interlocked.Increment(ref _connections);
            _serving[number] = ServeAsync(number, new NetworkStream(connection, ownsSocket: true));
        }
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        File.Delete(_path);
        await _stop.CancelAsync();
        await Task.WhenAll(_serving.Values);
        _stop.Dispose();
    }

    private async Task ServeAsync(int number, NetworkStream client)
    {
        await Task.Yield(); // So that it is entered before it can be over.
        try
        {
            await using (client) await AnswerAsync(client);
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or TimeoutException)
        {
            // Whoever asked has gone, and what he had with him.
        }
        finally
        {
            _serving.TryRemove(number, out _);
        }
    }

    private async Task AnswerAsync(NetworkStream client)
    {
        var words = (await PoolProtocol.ReadLineAsync(client, PoolProtocol.LongestRequest, _stop.Token)).Split(' ');
        if (words is [PoolProtocol.Watch, var id] && _loans.TryGetValue(id, out var loan))
            await PoolProtocol.WriteLineAsync(client, JsonSerializer.Serialize(await loan.WatchAsync(), PoolJson.Default.PoolExit), CancellationToken.None);
        else if (words is [PoolProtocol.Take, var name] && Take(name) is { } machine)
            await LendAsync(machine, client);
        else
            await PoolProtocol.WriteLineAsync(client, PoolProtocol.None, _stop.Token);
    }

    private Machine? Take(string name)
    {
        var started = _time.GetTimestamp();
        var machine = _pool.TryTake(name);
        if (machine is not null)
            _told(string.Create(CultureInfo.InvariantCulture, $"{name}: machine {machine.ProcessId} taken in {_time.GetElapsedTime(started).TotalMilliseconds:0.00} ms."));
        return machine;
    }

    private async Task LendAsync(Machine machine, NetworkStream client)
    {
        var id = machine.ProcessId.ToString(CultureInfo.InvariantCulture);
        var loan = _loans[id] = new();
        try
        {
            await PoolProtocol.WriteLineAsync(client, $"{PoolProtocol.Taken} {id} {machine.ProcessId}", _stop.Token);
            await loan.Watched.WaitAsync(WatchLimit, _time, _stop.Token);
            await RelayAsync(machine.GuestStream, client);
        }
        finally
        {
            await machine.DisposeAsync();
            loan.End(PoolExit.Of(await machine.Exited, machine));
            _loans.TryRemove(id, out _);
        }
    }

    /// <summary>Both ways, until one of the two ends.</summary>
    private async Task RelayAsync(Stream guest, NetworkStream client)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        Task[] ways = [guest.CopyToAsync(client, RelayBuffer, end.Token), client.CopyToAsync(guest, RelayBuffer, end.Token)];
        await Task.WhenAny(ways);
        await end.CancelAsync();
        await Task.WhenAll(ways).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>A machine that was taken. Its stream waits for the watch, so that no end is too early to be told.</summary>
    private sealed class Loan
    {
        private readonly TaskCompletionSource _watched = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource<PoolExit> _gone = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Watched => _watched.Task;

        public Task<PoolExit> WatchAsync()
        {
            _watched.TrySetResult();
            return _gone.Task;
        }

        public void End(PoolExit exit) => _gone.SetResult(exit);
    }
}
