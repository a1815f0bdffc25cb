using System.Text;
using System.Text.Json;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Json;

namespace RunnerVm.Vmm.Monitor.Mmds;

internal enum MmdsVersion
{
    V1,
    V2,
}

/// <summary>How the guest wants to read: JSON, or the lines of EC2's metadata service.</summary>
internal enum MmdsFormat
{
    Json,
    Imds,
}

/// <summary>What became of a guest's question.</summary>
internal enum MmdsAnswer
{
    Found,

    /// <summary>404</summary>
    NotFound,

    /// <summary>501: in EC2's format there are objects and strings, nothing else.</summary>
    UnsupportedValue,
}

/// <summary>
/// The metadata a host gives its guest: one JSON value, put whole, patched by RFC 7396, read by path. The API writes and
/// the guest reads it; both on the event loop. Members of an object are in the order of their names, as Firecracker's.
/// </summary>
/// <param name="limit">Bytes of compact JSON.</param>
internal sealed class MmdsDataStore(int limit, TimeProvider clock)
{
    private byte[] _text = "null"u8.ToArray();
    private JsonElement? _value;

    public MmdsVersion Version { get; set; }

    /// <summary>Answers in EC2's format whatever the guest accepts.</summary>
    public bool ImdsCompatible { get; set; }

    /// <summary>Whether there was a PUT.</summary>
    public bool Initialized { get; private set; }

    public MmdsTokens Tokens { get; } = new(clock);

    /// <summary>All of it as compact JSON; an object without members before the first PUT.</summary>
    public ReadOnlyMemory<byte> Contents => _value is null or { ValueKind: JsonValueKind.Null } ? "{}"u8.ToArray() : _text;

    /// <summary>Null before the first PUT; not parsed before it is asked for, since most machines have no metadata.</summary>
    private JsonElement Value => _value ??= JsonBody.Parse("null"u8, "nothing");

    public void Put(JsonElement value)
    {
        Take(JsonBody.Write(writer => JsonMerge.WriteSorted(writer, value)), "PUT /mmds");
        Initialized = true;
    }

    public void Patch(JsonElement patch)
    {
        if (!Initialized) throw new VmmFaultException("Cannot patch the metadata: there is none yet. Send PUT /mmds first.");
        Take(JsonBody.Write(writer => JsonMerge.WritePatched(writer, Value, patch)), "PATCH /mmds");
    }

    /// <param name="path">As in the guest's request: <c>/latest/meta-data</c>; runs of slashes are one, a last one is none.</param>
    /// <param name="content">What the guest gets; empty where there is nothing to get.</param>
    public MmdsAnswer Get(ReadOnlySpan<char> path, MmdsFormat format, out string content)
    {
        content = "";
        if (!JsonPath.TryFind(Value, path, out var found)) return MmdsAnswer.NotFound;
        if (format == MmdsFormat.Json && !ImdsCompatible)
        {
            content = found.GetRawText();
            return MmdsAnswer.Found;
        }

        if (found.ValueKind is not (JsonValueKind.Object or JsonValueKind.String)) return MmdsAnswer.UnsupportedValue;
        content = found.ValueKind == JsonValueKind.String ? found.GetString()! : Listing(found);
        return MmdsAnswer.Found;
    }

    /// <summary>A line for each member; a slash says that there is more below it.</summary>
    private static string Listing(JsonElement value)
    {
        var lines = new StringBuilder();
        foreach (var member in value.EnumerateObject())
        {
            if (lines.Length > 0) lines.Append('\n');
            lines.Append(member.Name);
            if (member.Value.ValueKind == JsonValueKind.Object) lines.Append('/');
        }

        return lines.ToString();
    }

    private void Take(byte[] text, string request)
    {
        if (text.Length > limit)
        {
            throw new VmmFaultException(
                $"Cannot take {request}: the metadata would have {text.Length} bytes of JSON and may have {limit}. Send less, or start with a higher --mmds-size-limit.")
            {
                Status = 413,
            };
        }

        (_text, _value) = (text, JsonBody.Parse(text, "the metadata"));
    }
}
