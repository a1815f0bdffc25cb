using Microsoft.Extensions.Time.Testing;
using RunnerVm.Vmm.Monitor.Api;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Logging;
using RunnerVm.Vmm.Monitor.Metrics;
using RunnerVm.Vmm.Monitor.Mmds;
using RunnerVm.Vmm.Monitor.Snapshots;
using Xunit;

namespace RunnerVm.Tests.Vmm.Api;

/// <summary>The API as the program has it, on a real socket with a real event loop; only the machine is a stand-in.</summary>
internal sealed class ApiUnderTest : IDisposable
{
    private readonly EventLoop _loop = new();
    private readonly Logger _logger;
    private readonly MetricRegistry _metrics;
    private readonly VmmDoor _door;
    private readonly ApiServer _server;
    private readonly Thread _thread;

    public ApiUnderTest(int mostPayload = ApiServer.DefaultPayload)
    {
        Folder = Directory.CreateTempSubdirectory("api-").FullName;
        Write("vmlinux", [0x7f, (byte)'E', (byte)'L', (byte)'F', .. new byte[60]]);
        Write("text", "#!/bin/sh\n"u8.ToArray());
        Write("initrd", new byte[100]);
        Write("disk", new byte[4096]);
        Write("other", new byte[8192]);
        Directory.CreateDirectory(At("folder"));
        var clock = new FakeTimeProvider();
        _logger = new Logger("test", clock);
        _logger.Configure(new() { LogPath = At("log"), Level = LogLevel.Debug });
        _metrics = new MetricRegistry("test", clock);
        var metadata = new MmdsDataStore(mostPayload, clock);
        _door = new(_loop, new PreBootController((_, _) => Machine = new StandInMachine(), Load, metadata, _logger, _metrics, bootTimer: false), metadata, _metrics, _logger.For("control"));
        _server = new(SocketPath, mostPayload, _door, new ApiAnswers("test", "1.2.3"), new ApiMetrics(_metrics), _logger.For("api"));
        _thread = new Thread(_loop.Run) { Name = "loop", IsBackground = true };
        _thread.Start();
        _server.Start();
    }

    public string Folder { get; }

    public string SocketPath => At("api.sock");

    /// <summary>Null before the start.</summary>
    public StandInMachine? Machine { get; private set; }

    public string Log => File.ReadAllText(At("log"));

    public string At(string name) => Path.Combine(Folder, name);

    public void Write(string name, byte[] content) => File.WriteAllBytes(At(name), content);

    public ApiClient Connect() => new(SocketPath);

    public ApiAnswer Ask(string method, string path, string? body = null) => ApiClient.Ask(SocketPath, method, path, body);

    /// <summary>Of a state file by this name a stand-in is made; others are looked into.</summary>
    private (IRunningMachine Machine, VmResources Resources) Load(SnapshotLoad load, VmResources given, MmdsDataStore metadata)
    {
        if (Path.GetFileName(load.SnapshotPath) != "state") SavedMachine.Open(load, given.Serial);
        Machine = new StandInMachine(paused: !load.ResumeVm);
        return (Machine, new VmResources { Machine = new() { TrackDirtyPages = load.TrackDirtyPages } });
    }

    /// <summary>As the machine's end does it.</summary>
    public void EndLoop()
    {
        _loop.Stop();
        _thread.Join();
    }

    /// <summary>And this comes next.</summary>
    public void CloseDoor() => _door.Close();

    /// <summary>A machine that was started.</summary>
    public void Start()
    {
        Assert.Equal(204, Ask("PUT", "/boot-source", $$"""{"kernel_image_path":"{{At("vmlinux")}}"}""").Status);
        Assert.Equal(204, Ask("PUT", "/actions", """{"action_type":"InstanceStart"}""").Status);
    }

    public void Dispose()
    {
        EndLoop();
        _server.Dispose();
        _door.Dispose();
        _metrics.Dispose();
        _logger.Dispose();
        _loop.Dispose();
        Directory.Delete(Folder, recursive: true);
    }
}
