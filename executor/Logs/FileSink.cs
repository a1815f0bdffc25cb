using System.Globalization;
using System.Text;

namespace RunnerVm.Logs;

/// <summary>A job's log as a text file of bounded size: what the host says about the job, line by line, with times.</summary>
internal sealed class FileSink : IJobSink, IDisposable
{
    private const long MostBytes = 4L << 20;

    private readonly StreamWriter _writer;
    private string? _preparing;
    private bool _full;

    private FileSink(StreamWriter writer) => _writer = writer;

    /// <summary>Readable for its owner only; what was there of that name is gone.</summary>
    public static FileSink Create(string path) => new(new(new FileStream(path, new FileStreamOptions
    {
        Mode = FileMode.Create, Access = FileAccess.Write, Share = FileShare.Read | FileShare.Delete, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
    }), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { AutoFlush = true });

    public ValueTask WriteAsync(JobEvent jobEvent, CancellationToken cancellationToken)
    {
        if (Line(jobEvent) is { } line) Write(jobEvent.Time, line);
        return ValueTask.CompletedTask;
    }

    /// <summary>A line of the caller's own.</summary>
    public void Write(DateTimeOffset time, string line)
    {
        if (_full) return;
        _full = _writer.BaseStream.Length > MostBytes;
        _writer.Write(string.Create(CultureInfo.InvariantCulture, $"{time:HH:mm:ss.fff} {(_full ? "(the rest is not kept)" : line)}\n"));
    }

    public void Dispose() => _writer.Dispose();

    private string? Line(JobEvent jobEvent) => jobEvent switch
    {
        JobEvent.PhaseEntered phase => string.Create(CultureInfo.InvariantCulture, $"-- {phase.Phase.ToString().ToLowerInvariant()} ({phase.Previous.ToString().ToLowerInvariant()} took {phase.Elapsed.TotalSeconds:0.000} s)"),
        JobEvent.Notice notice => notice.Text,
        JobEvent.MachineReady ready => $"machine ready: engine {ready.Engine}, Linux {ready.Kernel}, {(ready.Restored ? "restored" : "booted")}",
        JobEvent.Preparation preparation => Preparing(preparation),
        JobEvent.StepStarted started => $"{started.Name} begins",
        JobEvent.StepSkipped skipped => $"{skipped.Name} was skipped",
        JobEvent.StepFinished finished => string.Create(CultureInfo.InvariantCulture, $"{finished.Name} ended with {finished.ExitCode} after {finished.Elapsed.TotalSeconds:0.000} s{(finished.Diagnosis is null ? "" : $": {finished.Diagnosis}")}"),
        JobEvent.JobFinished finished => $"-- {finished.Outcome}",
        _ => null,
    };

    /// <summary>A log is no screen: of each part only that it has begun.</summary>
    private string? Preparing(JobEvent.Preparation preparation)
    {
        if (preparation.What == _preparing) return null;
        _preparing = preparation.What;
        return $"{preparation.What}: {preparation.Text}";
    }
}
