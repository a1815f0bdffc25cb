using System.Globalization;
using System.Text.Unicode;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;

namespace RunnerVm.Vmm.Monitor.Logging;

/// <summary>
/// The monitor's log, a line at a time: <c>2026-11-24T09:30:00.123456700Z [id:thread:LEVEL:part] message</c>, level and part
/// when asked for. Any thread; nobody waits: a line there is no room for is counted and gone.
/// </summary>
internal sealed class Logger : IDisposable
{
    private readonly Lock _writing = new();
    private readonly byte[] _line = new byte[LineOutput.LongestLine];
    private readonly string _id;
    private readonly TimeProvider _clock;
    private LineOutput _output = LineOutput.StandardOutput();
    private volatile LogLevel _level = LogLevel.Info;
    private volatile string? _module;
    private bool _showLevel;
    private bool _showOrigin;
    private long _missed;

    public Logger(string id, TimeProvider clock) => (_id, _clock) = (id, clock);

    /// <summary>Lines nobody will read.</summary>
    public long Missed => Interlocked.Read(ref _missed);

    /// <summary>The log as one part of the monitor writes it.</summary>
    public ModuleLog For(string module) => new(this, module);

    /// <exception cref="VmmFaultException">The file cannot be opened; nothing was changed.</exception>
    public void Configure(LoggerConfiguration configuration)
    {
        var output = configuration.LogPath is { } path ? Open(path) : null;
        lock (_writing)
        {
            if (output is not null)
            {
                _output.Dispose();
                _output = output;
            }

            _level = configuration.Level ?? LogLevel.Info;
            _module = configuration.Module ?? _module;
            _showLevel = configuration.ShowLevel ?? _showLevel;
            _showOrigin = configuration.ShowLogOrigin ?? _showOrigin;
        }
    }

    public bool IsEnabled(LogLevel level, string module) =>
        level <= _level && (_module is not { } filter || module.StartsWith(filter, StringComparison.Ordinal));

    public void Write(LogLevel level, string module, string message)
    {
        if (!IsEnabled(level, module)) return;
        lock (_writing)
        {
            if (!_output.TryWrite(_line.AsSpan(0, Format(level, module, message)))) Interlocked.Increment(ref _missed);
        }
    }

    /// <summary>Nobody may log any more.</summary>
    public void Dispose() => _output.Dispose();

    private static LineOutput Open(string path)
    {
        HostFiles.MustBePath("log_path", path);
        try
        {
            return LineOutput.Open(path);
        }
        catch (LinuxException cause)
        {
            throw new VmmFaultException($"log_path: {cause.Message} Name a file or a named pipe that this process can write.", cause);
        }
    }

    /// <summary>Cut where the line would be longer than a pipe takes in one piece. What is not printable is a question mark: one message is one line.</summary>
    private int Format(LogLevel level, string module, string message)
    {
        var room = _line.AsSpan(0, _line.Length - 1);
        var time = _clock.GetUtcNow();
        var thread = Thread.CurrentThread.Name ?? "main";
        var shownLevel = _showLevel ? LogLevels.Name(level) : "";
        if (!Utf8.TryWrite(room, CultureInfo.InvariantCulture, $"{time:yyyy-MM-ddTHH:mm:ss.fffffff}00Z [{_id}:{thread}{(_showLevel ? ":" : "")}{shownLevel}{(_showOrigin ? ":" : "")}{(_showOrigin ? module : "")}] ", out var length))
            length = 0;
        Utf8.FromUtf16(message, room[length..], out _, out var written);
        foreach (ref var letter in room.Slice(length, written))
        {
            if (letter is < 0x20 or 0x7F) letter = (byte)'?';
        }

        _line[length + written] = (byte)'\n';
        return length + written + 1;
    }
}

/// <summary>The log of one part of the monitor: <c>api</c>, <c>control</c>, <c>machine</c>, a device's name.</summary>
internal readonly struct ModuleLog(Logger logger, string module)
{
    public void Error(string message) => logger.Write(LogLevel.Error, module, message);

    public void Warn(string message) => logger.Write(LogLevel.Warn, module, message);

    public void Info(string message) => logger.Write(LogLevel.Info, module, message);

    public void Debug(string message) => logger.Write(LogLevel.Debug, module, message);
}
