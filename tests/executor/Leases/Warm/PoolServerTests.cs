using RunnerVm.Leases;
using RunnerVm.Leases.Warm;
using RunnerVm.Machines;
using RunnerVm.Snapshots;
using RunnerVm.Store;
using RunnerVm.Tests.Executor.Jobs;
using Xunit;

namespace RunnerVm.Tests.Executor.Leases.Warm;

/// <summary>A pool and who takes from it, over a real socket; only the machines are made up.</summary>
public sealed class PoolServerTests : IAsyncLifetime
{
    private const int Limit = 60_000;
    private static readonly SnapshotKey Key = new("0123456789abcdef", []);

    private readonly string _home = Directory.CreateTempSubdirectory("rv").FullName;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _full = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<FakeMachine> _machines = [];
    private Lease _lease = null!;
    private WarmPool _pool = null!;
    private PoolServer _server = null!;
    private Task _serving = null!;

    private PoolClient Client => new(new DataDirectory(_home), TimeProvider.System);

    public async ValueTask InitializeAsync()
    {
        _lease = new RunLedger(new DataDirectory(_home), TimeProvider.System).Take("pool", PoolProtocol.RunName);
        _pool = new([WarmPoolTests.Kind(Key.Name, wanted: 1)], MakeAsync, new() { MostBytes = long.MaxValue, AvailableBytes = static () => 1L << 40 },
            said => { if (said.EndsWith("wait.", StringComparison.Ordinal)) _full.TrySetResult(); }, TimeProvider.System);
        _server = new(_pool, _lease, static _ => { }, TimeProvider.System);
        _pool.Start();
        _serving = _server.RunAsync(_stop.Token);
        await _full.Task;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _serving;
        await _server.DisposeAsync();
        await _pool.DisposeAsync();
        await _lease.DisposeAsync();
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(_home, "runs")));
        Assert.All(_machines, static m => Assert.True(m.IsDisposed));
        Directory.Delete(_home, recursive: true);
        _stop.Dispose();
    }

    [Fact(Timeout = Limit)]
    public async Task Bytes_go_both_ways_and_the_machine_ends_with_its_taker()
    {
        var machine = Assert.IsType<PooledMachine>(await Client.TakeAsync(Key, TestContext.Current.CancellationToken));
        Assert.Equal(Environment.ProcessId, machine.ProcessId);
        var sent = new byte[300_000];
        Random.Shared.NextBytes(sent);
        var back = new byte[sent.Length];
        var reading = machine.GuestStream.ReadExactlyAsync(back, TestContext.Current.CancellationToken).AsTask();
        await machine.GuestStream.WriteAsync(sent, TestContext.Current.CancellationToken);
        await reading;
        Assert.Equal(sent, back);
        Assert.False(_machines[0].IsDisposed);

        await machine.DisposeAsync();
        Assert.True(_machines[0].IsDisposed);
        Assert.Equal(137, (await machine.Exited).ExitCode);
    }

    [Fact(Timeout = Limit)]
    public async Task How_a_machine_died_is_told_to_who_took_it()
    {
        await using var machine = await Client.TakeAsync(Key, TestContext.Current.CancellationToken);
        _machines[0].Die(3, "out of luck", "Kernel panic - \"quoted\"\n");
        Assert.Equal(0, await machine!.GuestStream.ReadAsync(new byte[1], TestContext.Current.CancellationToken));
        Assert.Equal(new MachineExit(3, "out of luck"), await machine.Exited);
        Assert.Equal("Kernel panic - \"quoted\"\n", machine.ConsoleTail);
    }

    [Fact(Timeout = Limit)]
    public async Task Another_kind_a_wrong_request_and_a_socket_without_a_pool_bring_no_machine()
    {
        Assert.Null(await Client.TakeAsync(new("another", []), TestContext.Current.CancellationToken));
        var elsewhere = Directory.CreateTempSubdirectory("rv");
        Assert.Null(await new PoolClient(new DataDirectory(elsewhere.FullName), TimeProvider.System).TakeAsync(Key, TestContext.Current.CancellationToken));
        elsewhere.Delete(recursive: true);

        var path = Path.Combine(_home, "runs", PoolProtocol.RunName, PoolProtocol.SocketName);
        foreach (var request in (string[])["what\n", "watch 77\n", "take\n", new string('x', 1000)])
        {
            await using var stream = await RunSocket.ConnectAsync(path, TestContext.Current.CancellationToken);
            await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes(request), TestContext.Current.CancellationToken);
            using var reader = new StreamReader(stream);
            Assert.DoesNotContain("taken", await ReadAsync(reader), StringComparison.Ordinal);
        }

        Assert.Single(_machines);
    }

    [Fact(Timeout = Limit)]
    public void The_socket_is_its_owners_alone()
    {
        const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(_lease.Directory) & Others);
        Assert.Equal(UnixFileMode.None, File.GetUnixFileMode(Path.Combine(_lease.Directory, PoolProtocol.SocketName)) & Others);
    }

    private static async Task<string> ReadAsync(StreamReader reader)
    {
        try
        {
            return await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
        }
        catch (IOException)
        {
            return ""; // Closed with bytes of ours unread.
        }
    }

    /// <summary>An agent that says back what it is told.</summary>
    private Task<Machine> MakeAsync(WarmKind kind, CancellationToken cancellationToken)
    {
        var machine = new FakeMachine(static m => m.GuestEnd.CopyToAsync(m.GuestEnd, m.Gone));
        lock (_machines) _machines.Add(machine);
        return Task.FromResult<Machine>(machine);
    }
}
