using System.Buffers;
using System.Globalization;
using System.Text;
using RunnerVm.Logs;

namespace RunnerVm.Sources.GitLab.Traces;

/// <summary>
/// What a GitLab job's log is written through: values are hidden, lines get their time, sections fold, and no more than
/// the limit is kept. Everything ends in a <see cref="TraceFile"/>; nobody waits for GitLab here. Safe to use from
/// several threads; the file is the caller's.
/// </summary>
internal sealed class JobTrace
{
    private readonly Lock _lock = new();
    private readonly TraceFile _file;
    private readonly TraceOptions _options;
    private readonly TimeProvider _time;
    private readonly HashSet<string> _hidden;
    private readonly TracePipe[] _pipes;
    private readonly ArrayBufferWriter<byte> _log = new();
    private readonly TaskCompletionSource _firstOutput = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private SecretMasker _masker;
    private bool _full;
    private bool _closed;

    public JobTrace(TraceFile file, TraceOptions options, TimeProvider time)
    {
        (_file, _options, _time) = (file, options, time);
        _hidden = [.. options.Hidden.SelectMany(Forms)];
        _masker = Masker(_hidden);
        _pipes = [Pipe("00O"), Pipe("01O"), Pipe("01E")];
    }

    /// <summary>When a byte of the job itself was first written; null before.</summary>
    public long? FirstOutput { get; private set; }

    /// <summary>Completes at <see cref="FirstOutput"/>.</summary>
    public Task FirstOutputTask => _firstOutput.Task;

    /// <summary>Hides more values from here on, such as those that came out of expanding variables.</summary>
    public void Hide(IEnumerable<string> values)
    {
        lock (_lock)
        {
            var before = _hidden.Count;
            _hidden.UnionWith(values.SelectMany(Forms));
            if (_hidden.Count == before) return;
            _masker = Masker(_hidden);
            foreach (var pipe in _pipes) pipe.Replace(_masker, _log);
            Store_NeedsLock();
        }
    }

    public ValueTask WriteAsync(TraceStream stream, ReadOnlyMemory<byte> bytes)
    {
        lock (_lock)
        {
            if (_closed) return ValueTask.CompletedTask;
            _pipes[(int)stream].Write(bytes.Span, _log);
            Store_NeedsLock();
            if (stream != TraceStream.Runner && FirstOutput is null)
            {
                FirstOutput = _time.GetTimestamp();
                _firstOutput.SetResult();
            }
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>A line of the runner's own.</summary>
    public ValueTask SayAsync(string line) => WriteAsync(TraceStream.Runner, Encoding.UTF8.GetBytes(line + "\n"));

    public ValueTask WarnAsync(string text) => SayAsync($"\e[0;33mWARNING: {text}\e[0;m");

    public ValueTask ErrorAsync(string text) => SayAsync($"\e[31;1mERROR: {text}\e[0;m");

    /// <summary>Begins a part that GitLab's viewer folds under its title; dispose it at its end.</summary>
    /// <param name="name">Letters, digits, underscores, dots and dashes.</param>
    public async ValueTask<TraceSection> OpenSectionAsync(string name, string title, bool collapsed = false)
    {
        var start = _options.Sections ? $"section_start:{Now()}:{name}{(collapsed ? "[collapsed=true]" : "")}\r\e[0K" : "";
        await SayAsync($"{start}\e[36;1m{title}\e[0;m");
        return new(this, name);
    }

    /// <summary>Shows what was held back; later writes are swallowed.</summary>
    public void Close()
    {
        lock (_lock)
        {
            if (_closed) return;
            foreach (var pipe in _pipes) pipe.Complete(_log);
            Store_NeedsLock();
            _closed = true;
        }
    }

    internal ValueTask CloseSectionAsync(string name) => _options.Sections
        ? WriteAsync(TraceStream.Runner, Encoding.ASCII.GetBytes($"section_end:{Now()}:{name}\r\e[0K"))
        : ValueTask.CompletedTask;

    private string Now() => _time.GetUtcNow().ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);

    private TracePipe Pipe(string sign) => new(_masker, _options, sign, _time);

    /// <summary>What a value may look like in a log. Too short ones occur everywhere and would shred it.</summary>
    private static IEnumerable<string> Forms(string value)
    {
        var trimmed = value.Trim();
        return SecretMasker.IsTooShort(trimmed) ? [] : [trimmed];
    }

    private static SecretMasker Masker(IEnumerable<string> values) => new(values, "[MASKED]");

    private void Store_NeedsLock()
    {
        try
        {
            Store(_log.WrittenSpan);
        }
        finally
        {
            // Also where the disk was full: what could not be kept is not to come again.
            _log.ResetWrittenCount();
        }
    }

    private void Store(ReadOnlySpan<byte> bytes)
    {
        if (!_full && bytes.Length > 0)
        {
            var room = _options.LimitBytes - _file.Length;
            _full = bytes.Length > room;
            _file.Append(_full ? Cut(bytes, (int)room) : bytes);
            if (_full) _file.Append(Encoding.UTF8.GetBytes(
                $"\n\e[33;1mThis job's log is longer than the limit of {_options.LimitBytes} bytes.\nThe job goes on, but nothing more of its output is kept.\e[0;m\n"));
        }
    }

    /// <summary>No more than the limit, and no half character.</summary>
    private static ReadOnlySpan<byte> Cut(ReadOnlySpan<byte> bytes, int length)
    {
        while (length > 0 && (bytes[length] & 0xC0) == 0x80) length--;
        return bytes[..length];
    }
}

/// <summary>An open section of a job's log.</summary>
internal sealed class TraceSection(JobTrace trace, string name) : IAsyncDisposable
{
    public ValueTask DisposeAsync() => trace.CloseSectionAsync(name);
}
