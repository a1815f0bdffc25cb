namespace RunnerVm.Vmm.Monitor.Logging;

/// <summary>How much is logged: everything up to the level.</summary>
internal enum LogLevel
{
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

internal static class LogLevels
{
    public const string Known = "Off, Error, Warning, Info, Debug or Trace";

    /// <summary>In any case; Warn is Warning. Null for what is none.</summary>
    public static LogLevel? Parse(string word) => word.ToLowerInvariant() switch
    {
        "off" => LogLevel.Off,
        "error" => LogLevel.Error,
        "warn" or "warning" => LogLevel.Warn,
        "info" => LogLevel.Info,
        "debug" => LogLevel.Debug,
        "trace" => LogLevel.Trace,
        _ => null,
    };

    public static string Name(LogLevel level) => level switch
    {
        LogLevel.Error => "ERROR",
        LogLevel.Warn => "WARN",
        LogLevel.Info => "INFO",
        LogLevel.Debug => "DEBUG",
        LogLevel.Trace => "TRACE",
        _ => "OFF",
    };
}
