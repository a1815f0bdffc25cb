using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace RunnerVm.GuestProtocol;

/// <summary>
/// Host → guest: make all that thaw would make and that is the same in every machine of a kind (root, network, cgroups).
/// From the result on until thaw a hello on the stream begins it afresh: it comes from the host of a restored copy.
/// </summary>
public sealed record FreezeRequest
{
    /// <summary>As in the <see cref="ThawRequest"/> that will follow.</summary>
    public required string Workspace { get; init; }

    /// <summary>As in the <see cref="ThawRequest"/> that will follow.</summary>
    public required bool Network { get; init; }

    /// <summary>What the first step will most likely ask for, as in <see cref="ExecRequest.Candidates"/>; null when nobody knows.</summary>
    public string[][]? Shell { get; init; }
}

/// <summary>The answer to <see cref="FreezeRequest"/>; <see cref="Error"/> is null when the machine may be laid down.</summary>
public sealed record FreezeResult
{
    public string? Error { get; init; }
}

/// <summary>Host → guest, while a process runs. Exactly one member is set.</summary>
public sealed record ExecControl
{
    /// <summary>Linux signal number for the process group.</summary>
    public int? Signal { get; init; }

    /// <summary>SIGKILL for every process of the step, whatever session or group it moved to.</summary>
    public bool Kill { get; init; }

    /// <summary>Standard input ends here; unlike the end of the channel's data this leaves room for further control.</summary>
    public bool EndInput { get; init; }

    /// <summary>New size of a pty, rows and columns.</summary>
    public int[]? WindowSize { get; init; }
}

/// <summary>Host → guest: unpack the tar stream that follows in lane 0 below <see cref="Path"/>.</summary>
public sealed record TarInRequest
{
    /// <summary>Absolute path of an existing or new folder.</summary>
    public required string Path { get; init; }
}

/// <summary>Host → guest: pack files below <see cref="Path"/>; the tar stream comes back in lane 0, then the result. The archive is
/// GNU tar of the narrowest kind, because the host reads it with a parser that knows nothing else: types 0 (file),
/// 5 (folder), 2 (symbolic link) and L or K (long name, at most 4 KiB); no pax headers, sparse files or hard links.</summary>
public sealed record TarOutRequest
{
    /// <summary>Absolute path of a folder.</summary>
    public required string Path { get; init; }

    /// <summary>Globs relative to the folder: <c>*</c>, <c>?</c>, <c>[…]</c>, <c>**</c>; a folder stands for all in it.</summary>
    public required string[] Include { get; init; }

    public string[] Exclude { get; init; } = [];
}

/// <summary>How a transfer ended.</summary>
public sealed record TarResult
{
    public string? Error { get; init; }

    public long Files { get; init; }

    public long Bytes { get; init; }

    /// <summary>Of <see cref="TarOutRequest.Include"/>, those that matched nothing; at most 100.</summary>
    public string[] Unmatched { get; init; } = [];
}

/// <summary>Guest → host: connect to this address. The host resets the channel when it will not or cannot.</summary>
public sealed record DialRequest
{
    /// <summary>IPv4 or IPv6 address in text form; never a name.</summary>
    public required string Address { get; init; }

    public required int Port { get; init; }
}

/// <summary>
/// Guest → host, in lane 0 of an errand channel and followed by its end: a call of the errand command. The host answers
/// with what the command prints, lane 0 standard output and lane 1 standard error, and closes with an <see cref="ErrandResult"/>.
/// </summary>
public sealed record ErrandRequest
{
    /// <summary>As the program was given them, without its name.</summary>
    public required string[] Arguments { get; init; }

    /// <summary>Absolute path of the folder it was called in.</summary>
    public required string Folder { get; init; }
}

/// <summary>How an errand ended.</summary>
public sealed record ErrandResult
{
    /// <summary>What the command ends with, 0 to 255.</summary>
    public required int ExitCode { get; init; }
}

/// <summary>Host → guest: connect to this port on the guest's loopback.</summary>
public sealed record ForwardRequest
{
    public required int Port { get; init; }
}

/// <summary>All other requests and results as JSON, and the one way of reading them that turns bad input into a protocol error.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(FreezeRequest))]
[JsonSerializable(typeof(FreezeResult))]
[JsonSerializable(typeof(ExecControl))]
[JsonSerializable(typeof(TarInRequest))]
[JsonSerializable(typeof(TarOutRequest))]
[JsonSerializable(typeof(TarResult))]
[JsonSerializable(typeof(DialRequest))]
[JsonSerializable(typeof(ForwardRequest))]
[JsonSerializable(typeof(ErrandRequest))]
[JsonSerializable(typeof(ErrandResult))]
public sealed partial class Messages : JsonSerializerContext
{
    /// <exception cref="ProtocolException">Not JSON, or not of this shape.</exception>
    public static T Read<T>(ReadOnlyMemory<byte> json, JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(json.Span, type)
                ?? throw new JsonException("it is null");
        }
        catch (JsonException e)
        {
            throw Malformed.BadMessage(typeof(T).Name, e);
        }
    }

    public static byte[] Write<T>(T message, JsonTypeInfo<T> type) => JsonSerializer.SerializeToUtf8Bytes(message, type);
}
