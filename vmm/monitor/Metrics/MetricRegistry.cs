using System.Text.Json;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Json;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;

namespace RunnerVm.Vmm.Monitor.Metrics;

/// <summary>
/// All metrics of this process and the file they are flushed to, one line of JSON at a time, with the names of
/// Firecracker's groups. Event loop only, but for the counting.
/// </summary>
internal sealed class MetricRegistry(string id, TimeProvider clock) : IDisposable
{
    /// <summary>Firecracker's.</summary>
    public static readonly TimeSpan Period = TimeSpan.FromSeconds(60);

    private readonly SortedDictionary<string, MetricGroup> _groups = new(StringComparer.Ordinal);
    private MetricsConfiguration? _configuration;
    private LineOutput? _output;
    private Watch? _due;
    private TimerFd? _timer;

    /// <summary>Flushes that failed: there was no room in the pipe, or the disk is full.</summary>
    public long Missed { get; private set; }

    /// <summary>The group of this name, made when it is not there.</summary>
    public MetricGroup Group(string name)
    {
        if (!_groups.TryGetValue(name, out var group)) _groups.Add(name, group = new MetricGroup(name));
        return group;
    }

    /// <exception cref="VmmFaultException">Configured before, or the file cannot be opened; nothing was changed.</exception>
    public void Configure(MetricsConfiguration configuration)
    {
        if (_output is not null) throw new VmmFaultException("metrics_path: the metrics have a file already. It can be set once.");
        HostFiles.MustBePath("metrics_path", configuration.MetricsPath);
        try
        {
            _output = LineOutput.Open(configuration.MetricsPath);
        }
        catch (LinuxException cause)
        {
            throw new VmmFaultException($"metrics_path: {cause.Message} Name a file or a named pipe that this process can write.", cause);
        }

        _configuration = configuration;
    }

    /// <summary>From now on a flush each <see cref="Period"/>.</summary>
    public void Start(EventLoop loop)
    {
        _timer = new TimerFd();
        _timer.Arm(Period, Period);
        _due = loop.Watch(_timer.Descriptor, EpollEvents.Readable, _ =>
        {
            if (_timer.Drain() > 0) Flush();
        });
    }

    /// <summary>Nothing where there is no file.</summary>
    public void Flush()
    {
        if (_output is not { } output || _configuration is not { } configuration) return;
        if (!output.TryWrite([.. JsonBody.Write(writer => Write(writer, configuration)), (byte)'\n'])) Missed++;
    }

    public void Dispose()
    {
        _due?.Dispose();
        _timer?.Dispose();
        _output?.Dispose();
    }

    private void Write(Utf8JsonWriter writer, MetricsConfiguration configuration)
    {
        writer.WriteStartObject();
        writer.WriteNumber("utc_timestamp_ms", clock.GetUtcNow().ToUnixTimeMilliseconds());
        if (configuration.EmitId) writer.WriteString("id", id);
        if (configuration.Properties.Count > 0)
        {
            writer.WriteStartObject("properties");
            foreach (var (name, text) in configuration.Properties) writer.WriteString(name, text);
            writer.WriteEndObject();
        }

        foreach (var group in _groups.Values) group.Write(writer);
        writer.WriteEndObject();
    }
}
