using System.Buffers;
using RunnerVm.Logs;

namespace RunnerVm.Sources.GitLab.Traces;

/// <summary>What one stream's bytes go through on their way into the log: secrets, known tokens, broken text, times.</summary>
internal sealed class TracePipe(SecretMasker masker, TraceOptions options, string sign, TimeProvider time)
{
    private readonly KnownTokens _tokens = new(options.TokenPrefixes);
    private readonly Utf8Repair _repair = new();
    private readonly LineStamps? _stamps = options.Timestamps ? new(sign, time) : null;
    private readonly ArrayBufferWriter<byte> _one = new();
    private readonly ArrayBufferWriter<byte> _two = new();
    private MaskedStream _masked = masker.Open();

    public void Write(ReadOnlySpan<byte> bytes, IBufferWriter<byte> log)
    {
        _one.ResetWrittenCount();
        _masked.Write(bytes, _one);
        Pass(log);
    }

    /// <summary>Hides other values from here on. What was held back as the possible beginning of an old one comes out.</summary>
    public void Replace(SecretMasker other, IBufferWriter<byte> log)
    {
        _one.ResetWrittenCount();
        _masked.Complete(_one);
        _masked = other.Open();
        Pass(log);
    }

    /// <summary>The stream is over: all that was held back comes out.</summary>
    public void Complete(IBufferWriter<byte> log)
    {
        _one.ResetWrittenCount();
        _masked.Complete(_one);
        Pass(log);
        _two.ResetWrittenCount();
        _tokens.Complete(_two);
        _one.ResetWrittenCount();
        _repair.Write(_two.WrittenSpan, _one);
        _repair.Complete(_one);
        if (_stamps is null)
        {
            log.Write(_one.WrittenSpan);
            return;
        }

        _stamps.Write(_one.WrittenSpan, log);
        _stamps.Complete(log);
    }

    private void Pass(IBufferWriter<byte> log)
    {
        _two.ResetWrittenCount();
        _tokens.Write(_one.WrittenSpan, _two);
        if (_stamps is null)
        {
            _repair.Write(_two.WrittenSpan, log);
            return;
        }

        _one.ResetWrittenCount();
        _repair.Write(_two.WrittenSpan, _one);
        _stamps.Write(_one.WrittenSpan, log);
    }
}
