using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using RunnerVm.Jobs;

namespace RunnerVm.Logs;

/// <summary>
/// Every event as one line of JSON, for programs: <c>--json</c>. The fields are described in <c>EVENTS.md</c>. Written
/// field by field, so output goes from the guest's bytes to the line without a string in between.
/// </summary>
/// <param name="output">Takes the lines; not disposed. A write returns when it has taken one.</param>
[SuppressMessage("Reliability", "CA1001", Justification = "The writer holds nothing but memory, and each line is flushed.")]
internal sealed class JsonSink(Stream output) : IJobSink
{
    private const int LongestRune = 4;

    // Readable in a terminal and a diff; the lines are data, never pasted into a page.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly ArrayBufferWriter<byte> _line = new();
    private readonly Utf8JsonWriter _writer = new(Stream.Null, Options);
    private readonly Tail _standardOutput = new();
    private readonly Tail _standardError = new();

    public async ValueTask WriteAsync(JobEvent jobEvent, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _line.ResetWrittenCount();
        switch (jobEvent)
        {
            case JobEvent.Output bytes:
                AddOutput(bytes);
                break;
            case JobEvent.StepFinished or JobEvent.JobFinished:
                AddTail(jobEvent.Time, OutputStream.StandardOutput);
                AddTail(jobEvent.Time, OutputStream.StandardError);
                AddLine(jobEvent);
                break;
            default:
                AddLine(jobEvent);
                break;
        }

        if (_line.WrittenCount == 0)
            return;
        await output.WriteAsync(_line.WrittenMemory, cancellationToken);
        await output.FlushAsync(cancellationToken);
    }

    private void AddLine(JobEvent jobEvent)
    {
        Begin(jobEvent.Time, jobEvent switch
        {
            JobEvent.PhaseEntered => "phase",
            JobEvent.Notice => "notice",
            JobEvent.StepStarted => "stepStarted",
            JobEvent.StepFinished => "stepFinished",
            JobEvent.StepSkipped => "stepSkipped",
            JobEvent.Transfer => "transfer",
            JobEvent.Preparation => "preparation",
            JobEvent.MachineReady => "machineReady",
            JobEvent.ArtifactsStored => "artifactsStored",
            JobEvent.JobFinished => "jobFinished",
            _ => throw new ArgumentException($"No JSON form for {jobEvent.GetType().Name}.", nameof(jobEvent)),
        });
        switch (jobEvent)
        {
            case JobEvent.PhaseEntered phase:
                _writer.WriteString("phase", Name(phase.Phase));
                _writer.WriteString("previous", Name(phase.Previous));
                WriteSeconds(phase.Elapsed);
                break;
            case JobEvent.Notice notice:
                _writer.WriteString("text", notice.Text);
                break;
            case JobEvent.StepStarted step:
                WriteStep(step.Index, step.Name);
                break;
            case JobEvent.StepSkipped step:
                WriteStep(step.Index, step.Name);
                break;
            case JobEvent.StepFinished step:
                WriteStep(step.Index, step.Name);
                _writer.WriteNumber("exitCode", step.ExitCode);
                WriteSeconds(step.Elapsed);
                WriteIfAny("diagnosis", step.Diagnosis);
                break;
            case JobEvent.Transfer transfer:
                _writer.WriteString("what", transfer.What);
                _writer.WriteNumber("bytes", transfer.Bytes);
                if (transfer.TotalBytes is { } total)
                    _writer.WriteNumber("totalBytes", total);
                _writer.WriteBoolean("finished", transfer.Finished);
                break;
            case JobEvent.Preparation preparation:
                _writer.WriteString("what", preparation.What);
                if (preparation.Fraction is { } fraction)
                    _writer.WriteNumber("fraction", Math.Round(fraction, 4));
                _writer.WriteString("text", preparation.Text);
                break;
            case JobEvent.MachineReady ready:
                _writer.WriteString("engine", ready.Engine);
                _writer.WriteString("kernel", ready.Kernel);
                _writer.WriteBoolean("restored", ready.Restored);
                _writer.WriteNumber("guestBootSeconds", Math.Round(ready.GuestBoot.TotalSeconds, 6));
                _writer.WriteNumber("guestThawSeconds", Math.Round(ready.GuestThaw.TotalSeconds, 6));
                break;
            case JobEvent.ArtifactsStored stored:
                _writer.WriteString("folder", stored.Folder);
                _writer.WriteNumber("entries", stored.Entries);
                _writer.WriteNumber("bytes", stored.Bytes);
                break;
            case JobEvent.JobFinished finished:
                WriteOutcome(finished.Outcome);
                _writer.WriteNumber("exitCode", finished.ExitCode);
                break;
        }

        End();
    }

    private void WriteOutcome(JobOutcome outcome)
    {
        switch (outcome)
        {
            case JobOutcome.StepFailed failed:
                _writer.WriteString("outcome", "stepFailed");
                _writer.WriteString("failedStep", failed.Step);
                _writer.WriteNumber("stepExitCode", failed.ExitCode);
                WriteIfAny("diagnosis", failed.Diagnosis);
                break;
            case JobOutcome.TimedOut late:
                _writer.WriteString("outcome", "timedOut");
                _writer.WriteString("what", late.What);
                _writer.WriteNumber("limitSeconds", late.Limit.TotalSeconds);
                break;
            case JobOutcome.RunnerFailed runner:
                _writer.WriteString("outcome", "runnerFailed");
                _writer.WriteString("reason", JsonNamingPolicy.CamelCase.ConvertName(runner.Reason.ToString()));
                _writer.WriteString("message", runner.Message);
                break;
            default:
                _writer.WriteString("outcome", outcome is JobOutcome.Succeeded ? "succeeded" : "cancelled");
                break;
        }
    }

    // A character cut in two by a chunk's end waits for its other half, so that it is not shown as two broken ones.
    private void AddOutput(JobEvent.Output bytes)
    {
        Tail tail = TailOf(bytes.Stream);
        tail.Step = bytes.Index;
        ReadOnlySpan<byte> rest = bytes.Bytes.Span;
        if (tail.Count > 0)
        {
            Span<byte> joined = stackalloc byte[2 * LongestRune];
            int taken = Math.Min(rest.Length, LongestRune);
            tail.Bytes.AsSpan(0, tail.Count).CopyTo(joined);
            rest[..taken].CopyTo(joined[tail.Count..]);
            joined = joined[..(tail.Count + taken)];
            Rune.DecodeFromUtf8(joined, out _, out int used);
            if (IncompleteEnd(joined) == joined.Length)
            {
                tail.Set(joined);
                return;
            }

            used = Math.Max(used, tail.Count);
            AddText(bytes.Time, bytes.Index, bytes.Stream, joined[..used]);
            rest = rest[(used - tail.Count)..];
            tail.Count = 0;
        }

        int incomplete = IncompleteEnd(rest);
        tail.Set(rest[^incomplete..]);
        AddText(bytes.Time, bytes.Index, bytes.Stream, rest[..^incomplete]);
    }

    private void AddTail(DateTimeOffset time, OutputStream stream)
    {
        Tail tail = TailOf(stream);
        AddText(time, tail.Step, stream, tail.Bytes.AsSpan(0, tail.Count));
        tail.Count = 0;
    }

    private void AddText(DateTimeOffset time, int step, OutputStream stream, ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            return;
        Begin(time, "output");
        _writer.WriteNumber("step", step);
        _writer.WriteString("stream", stream == OutputStream.StandardError ? "stderr" : "stdout");
        if (Utf8.IsValid(bytes))
        {
            _writer.WriteString("text", bytes);
        }
        else
        {
            _writer.WriteString("text", Encoding.UTF8.GetString(bytes));
            _writer.WriteBase64String("base64", bytes);
        }

        End();
    }

    private void Begin(DateTimeOffset time, string name)
    {
        _writer.Reset(_line);
        _writer.WriteStartObject();
        _writer.WriteString("event", name);
        _writer.WriteString("time", time.UtcDateTime);
    }

    private void End()
    {
        _writer.WriteEndObject();
        _writer.Flush();
        _line.Write("\n"u8);
    }

    private void WriteStep(int index, string name)
    {
        _writer.WriteNumber("step", index);
        _writer.WriteString("name", name);
    }

    private void WriteSeconds(TimeSpan elapsed) => _writer.WriteNumber("elapsedSeconds", Math.Round(elapsed.TotalSeconds, 6));

    private void WriteIfAny(string name, string? value)
    {
        if (!string.IsNullOrEmpty(value))
            _writer.WriteString(name, value);
    }

    private Tail TailOf(OutputStream stream) => stream == OutputStream.StandardError ? _standardError : _standardOutput;

    private static string Name(JobPhase phase) => JsonNamingPolicy.CamelCase.ConvertName(phase.ToString());

    // Length of an end that more bytes could still make a character of: 0 to 3.
    private static int IncompleteEnd(ReadOnlySpan<byte> bytes)
    {
        for (int length = 1; length < LongestRune && length <= bytes.Length; length++)
        {
            if (bytes[^length] >= 0xC0)
                return Rune.DecodeFromUtf8(bytes[^length..], out _, out _) == OperationStatus.NeedMoreData ? length : 0;
        }

        return 0;
    }

    /// <summary>The beginning of a character whose rest has not come yet.</summary>
    private sealed class Tail
    {
        public byte[] Bytes { get; } = new byte[LongestRune];

        public int Count { get; set; }

        /// <summary>Index of the step it belongs to.</summary>
        public int Step { get; set; }

        public void Set(ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(Bytes);
            Count = bytes.Length;
        }
    }
}
