using System.Buffers;
using System.Text;

namespace RunnerVm.Logs;

/// <summary>
/// Keeps the job's bytes and our lines apart where both go to one terminal or file: our lines begin at the left edge,
/// a line that is drawn over is gone before anything else is written, and no colour of the job runs into ours.
/// </summary>
internal sealed class ConsoleScreen
{
    // Larger buffers than this are given back after a burst.
    private const int KeptCapacity = 1 << 20;

    private readonly ConsoleSettings _settings;
    private readonly TerminalSanitizer? _outputSanitizer;
    private readonly TerminalSanitizer? _errorSanitizer;
    private readonly ArrayBufferWriter<byte> _ours = new();
    private ArrayBufferWriter<byte> _jobs = new();
    private string? _status;
    private bool _statusShown;
    private bool _midLine;

    public ConsoleScreen(ConsoleSettings settings)
    {
        _settings = settings;
        _outputSanitizer = settings.OutputIsTerminal ? new TerminalSanitizer() : null;
        _errorSanitizer = settings.ErrorIsTerminal ? new TerminalSanitizer() : null;
    }

    // Two terminals are taken for one and the same, which they nearly always are.
    private bool OutputSharesError => _settings is { OutputIsTerminal: true, ErrorIsTerminal: true };

    /// <summary>The job's bytes, to the stream they were written to.</summary>
    public async ValueTask ShowOutputAsync(OutputStream stream, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        bool isError = stream == OutputStream.StandardError;
        TerminalSanitizer? sanitizer = isError ? _errorSanitizer : _outputSanitizer;
        if (sanitizer is not null)
        {
            _jobs.ResetWrittenCount();
            sanitizer.Write(bytes.Span, _jobs);
            bytes = _jobs.WrittenMemory;
        }

        if (bytes.IsEmpty)
            return;
        if (isError || OutputSharesError)
        {
            EraseStatus();
            await ShowAsync(cancellationToken);
            _midLine = EndsMidLine(bytes.Span, _midLine);
        }

        Stream target = isError ? _settings.Error : _settings.Output;
        await target.WriteAsync(bytes, cancellationToken);
        await target.FlushAsync(cancellationToken);
        if (_jobs.Capacity > KeptCapacity)
            _jobs = new ArrayBufferWriter<byte>();
    }

    /// <summary>Ends what the job's sequences left open; the next step's output stands for itself.</summary>
    public async ValueTask EndStepAsync(CancellationToken cancellationToken)
    {
        await CloseAsync(_outputSanitizer, _settings.Output, cancellationToken);
        await CloseAsync(_errorSanitizer, _settings.Error, cancellationToken);
    }

    /// <summary>Lines of ours, from the left edge, shown by the next <see cref="ShowAsync"/>.</summary>
    public void AddLines(IEnumerable<string> lines)
    {
        EraseStatus();
        foreach (string line in lines)
        {
            StartLine();
            Encoding.UTF8.GetBytes(line, _ours);
            _ours.Write("\n"u8);
        }
    }

    /// <summary>The line to be drawn over, or null for none. Stays until something else is written.</summary>
    public void SetStatus(string? status)
    {
        EraseStatus();
        _status = status;
    }

    /// <summary>Writes what has been added.</summary>
    public async ValueTask ShowAsync(CancellationToken cancellationToken)
    {
        if (_status is { } status && !_statusShown)
        {
            StartLine();
            Encoding.UTF8.GetBytes(status, _ours);
            _statusShown = true;
        }

        if (_ours.WrittenCount == 0)
            return;
        await _settings.Error.WriteAsync(_ours.WrittenMemory, cancellationToken);
        await _settings.Error.FlushAsync(cancellationToken);
        _ours.ResetWrittenCount();
    }

    private async ValueTask CloseAsync(TerminalSanitizer? sanitizer, Stream target, CancellationToken cancellationToken)
    {
        if (sanitizer is null)
            return;
        _jobs.ResetWrittenCount();
        sanitizer.Complete(_jobs);
        if (_jobs.WrittenCount == 0)
            return;
        if (target == _settings.Error || OutputSharesError)
            _midLine = EndsMidLine(_jobs.WrittenSpan, _midLine);
        await target.WriteAsync(_jobs.WrittenMemory, cancellationToken);
        await target.FlushAsync(cancellationToken);
    }

    // Colours take no room: a line that ends with one and no text after it still ends.
    private static bool EndsMidLine(ReadOnlySpan<byte> text, bool before)
    {
        while (text.EndsWith("m"u8))
        {
            int escape = text.LastIndexOf((byte)0x1B);
            if (escape < 0 || !text[escape..].StartsWith("\e["u8) || text[(escape + 2)..^1].ContainsAnyExceptInRange((byte)'0', (byte)';'))
                break;
            text = text[..escape];
        }

        return text.IsEmpty ? before : text[^1] != '\n';
    }

    private void EraseStatus()
    {
        if (_statusShown)
            _ours.Write("\r\e[2K"u8);
        _statusShown = false;
        _status = null;
    }

    private void StartLine()
    {
        if (_errorSanitizer is { IsColorOpen: true } || (OutputSharesError && _outputSanitizer is { IsColorOpen: true }))
            _ours.Write("\e[0m"u8);
        if (_midLine)
            _ours.Write("\n"u8);
        _midLine = false;
    }
}
