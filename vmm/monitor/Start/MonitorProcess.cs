using System.Diagnostics;
using System.Text;
using RunnerVm.Vmm.Monitor.Api;
using RunnerVm.Vmm.Monitor.Api.Bodies;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Json;
using RunnerVm.Vmm.Monitor.Logging;
using RunnerVm.Vmm.Monitor.Machine;
using RunnerVm.Vmm.Monitor.Metrics;
using RunnerVm.Vmm.Monitor.Mmds;
using RunnerVm.Vmm.Monitor.Seccomp;
using RunnerVm.Vmm.Monitor.Snapshots;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;

namespace RunnerVm.Vmm.Monitor.Start;

/// <summary>The whole program, wired: logger, metrics, event loop, API, and the machine when it is asked for.</summary>
internal sealed class MonitorProcess : IDisposable
{
    /// <summary>Never closed.</summary>
    private static readonly LineOutput Errors = LineOutput.StandardError();

    private readonly Arguments _arguments;
    private readonly EventLoop _loop = new();
    private readonly Logger _logger;
    private readonly MetricRegistry _metrics;
    private readonly MmdsDataStore _metadata;
    private readonly VmmDoor _door;
    private readonly ModuleLog _log;
    private volatile SeccompFilters? _filters;
    private SeccompFilters? _assembled;
    private BareMachine? _bare;
    private PageRelease? _release;
    private int _status;

    public MonitorProcess(Arguments arguments)
    {
        var clock = TimeProvider.System;
        _arguments = arguments;
        _logger = new(arguments.Id, clock);
        _log = _logger.For("machine");
        _metrics = new(arguments.Id, clock);
        _metrics.Group("logger").Observe("missed_log_count", () => _logger.Missed).Observe("missed_metrics_count", () => _metrics.Missed);
        _metadata = new(arguments.MmdsLimit ?? arguments.PayloadLimit, clock);
        var preBoot = new PreBootController(StartMachine, LoadMachine, _metadata, _logger, _metrics, arguments.BootTimer);
        _door = new(_loop, preBoot, _metadata, _metrics, _logger.For("control"));
    }

    /// <summary>On the main thread, which is the event loop until the guest is over.</summary>
    /// <returns>The exit status.</returns>
    public int Run()
    {
        try
        {
            Configure();
            var boot = _arguments.ConfigFile is { } path ? ReadConfiguration(path) : null;
            using var api = _arguments.NoApi ? null : OpenApi();
            // Before the machine: once it has started no thread is made any more. Requests wait for the loop.
            api?.Start();
            if (boot is not null)
            {
                api?.AwaitThread();
                _door.Run(boot);
            }

            TellStartTime();
            if (boot is null) Prepare();
            _loop.Run();
        }
        catch (VmmFaultException fault)
        {
            return Complain(fault.Message, ExitStatus.BadConfiguration);
        }
        catch (LinuxException problem)
        {
            return Complain(problem.Message, ExitStatus.Failed);
        }

        return _status;
    }

    /// <summary>The machine first, then what it told its story to.</summary>
    public void Dispose()
    {
        _door.Dispose();
        _bare?.Dispose();
        _release?.Dispose();
        _metrics.Flush();
        _metrics.Dispose();
        _logger.Dispose();
        _loop.Dispose();
    }

    private static int Complain(string problem, int status)
    {
        Say(problem);
        return status;
    }

    private static void Say(string sentence) => Errors.TryWrite(Encoding.UTF8.GetBytes(sentence + "\n"));

    private void Configure()
    {
        if (_arguments is { LogPath: not null } or { Level: not null } or { Module: not null } or { ShowLevel: true } or { ShowLogOrigin: true })
        {
            _logger.Configure(new()
            {
                LogPath = _arguments.LogPath,
                Level = _arguments.Level is { } level ? LogLevels.Parse(level) : null,
                Module = _arguments.Module,
                ShowLevel = _arguments.ShowLevel,
                ShowLogOrigin = _arguments.ShowLogOrigin,
            });
        }

        if (_arguments.MetricsPath is { } metrics) _metrics.Configure(new() { MetricsPath = metrics });
        if (_arguments.Metadata is { } metadata) _metadata.Put(JsonBody.Parse(ReadFile(metadata), $"the metadata file {metadata}"));
    }

    /// <exception cref="VmmFaultException">The file is not there or not right.</exception>
    private VmmAction.Boot ReadConfiguration(string path)
    {
        var (logger, metrics, steps) = WholeMachine.ReadFile(new(JsonBody.Parse(ReadFile(path), $"the configuration file {path}")));
        if (logger is not null) _logger.Configure(logger);
        if (metrics is not null) _metrics.Configure(metrics);
        return new(steps);
    }

    /// <summary>What a start takes whatever the machine will be, while whoever started us is about to say it.</summary>
    private void Prepare()
    {
        _bare = BareMachine.TryMake();
        if (!_arguments.NoSeccomp) _assembled = new SeccompFilters();
    }

    private static byte[] ReadFile(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new VmmFaultException($"Cannot read {path}: {cause.Message}", cause);
        }
    }

    private ApiServer OpenApi() => new(
        _arguments.ApiSocket, _arguments.PayloadLimit, _door, new ApiAnswers(_arguments.Id, ProgramVersion.Text), new ApiMetrics(_metrics), _logger.For("api"), () => _filters?.TryInstallForApi() ?? false);

    private MicroVm StartMachine(VmResources resources, MmdsDataStore metadata)
    {
        var start = Stopwatch.GetTimestamp();
        var machine = Make(resources, metadata, builder => builder.Build(resources), resources.BootTimer ? start : null);
        machine.Resume();
        return machine;
    }

    private (IRunningMachine Machine, VmResources Resources) LoadMachine(SnapshotLoad load, VmResources given, MmdsDataStore metadata)
    {
        var saved = SavedMachine.Open(load, given.Serial);
        var machine = Make(saved.Resources, metadata, builder => builder.Restore(saved));
        if (load.ResumeVm) machine.Resume();
        return (machine, saved.Resources);
    }

    /// <summary>Built and confined, and still paused.</summary>
    private MicroVm Make(VmResources resources, MmdsDataStore metadata, Func<MicroVmBuilder, MicroVm> build, long? bootTimer = null)
    {
        var filters = _assembled ?? (_arguments.NoSeccomp ? null : new SeccompFilters());
        var mmds = new MmdsCounters();
        var machine = build(new(_loop, End)
        {
            Bare = Interlocked.Exchange(ref _bare, null), // One that is refused goes; the next is made then.
            BootTimerStart = bootTimer,
            Booted = LogBootTime,
            ConfineVcpu = filters is null ? null : filters.InstallForVcpu,
            Input = resources.Serial?.SerialOutPath is null ? Keyboard() : null,
            Responder = network => MmdsResponder.For(network, resources.Mmds, metadata, mmds),
        });
        MachineMetrics.Observe(_metrics, machine);
        if (resources.Mmds is not null) MachineMetrics.Observe(_metrics, mmds);
        try
        {
            filters?.InstallForProcess();
        }
        catch
        {
            machine.Dispose();
            throw;
        }

        _filters = filters;
        _release = new PageRelease(_loop);
        return machine;
    }

    /// <summary>From whoever decided that we start to when we can be asked; Firecracker's name for it.</summary>
    private void TellStartTime()
    {
        var startup = _metrics.Group("api_server").Gauge("process_startup_time_us");
        if (_arguments.StartTimeUs is not { } start) return;
        // Stopwatch counts CLOCK_MONOTONIC in nanoseconds on Linux.
        startup.Set(Math.Max(0, (Stopwatch.GetTimestamp() / 1000) - start));
    }

    /// <summary>A person at a terminal may type on the console that is shown there; a script's input is not the guest's.</summary>
    private static FileDescriptor? Keyboard()
    {
        var input = FileDescriptor.Duplicate(0);
        if (input.IsTerminal) return input;
        input.Dispose();
        return null;
    }

    private void LogBootTime(TimeSpan took) =>
        _log.Info($"Guest-boot-time = {took.TotalMicroseconds:F0} us {took.TotalMilliseconds:F0} ms");

    private void End(GuestEnd end)
    {
        _status = end.ExitCode;
        if (end.ExitCode == GuestEnd.Clean) _log.Info(end.Sentence);
        else
        {
            _log.Error(end.Sentence);
            Say(end.Sentence);
        }

        _loop.Stop();
    }
}
