using System.Text.Json;
using System.Text.Json.Serialization;

namespace RunnerVm.Sources.GitLab.Payload;

/// <summary>A null where a number or a switch belongs is none that was set: GitLab sends it, and its own runner takes it so.</summary>
internal abstract class NullIsDefault<T> : JsonConverter<T>
    where T : struct
{
    public override bool HandleNull => true;

    public sealed override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.Null ? default : Read(ref reader);

    protected abstract T Read(ref Utf8JsonReader reader);
}

internal sealed class NullIsZero : NullIsDefault<int>
{
    public override void Write(Utf8JsonWriter writer, int value, JsonSerializerOptions options) => writer.WriteNumberValue(value);

    protected override int Read(ref Utf8JsonReader reader) => reader.GetInt32();
}

internal sealed class NullIsZeroLong : NullIsDefault<long>
{
    public override void Write(Utf8JsonWriter writer, long value, JsonSerializerOptions options) => writer.WriteNumberValue(value);

    protected override long Read(ref Utf8JsonReader reader) => reader.GetInt64();
}

internal sealed class NullIsZeroDouble : NullIsDefault<double>
{
    public override void Write(Utf8JsonWriter writer, double value, JsonSerializerOptions options) => writer.WriteNumberValue(value);

    protected override double Read(ref Utf8JsonReader reader) => reader.GetDouble();
}

internal sealed class NullIsFalse : NullIsDefault<bool>
{
    public override void Write(Utf8JsonWriter writer, bool value, JsonSerializerOptions options) => writer.WriteBooleanValue(value);

    protected override bool Read(ref Utf8JsonReader reader) => reader.GetBoolean();
}
