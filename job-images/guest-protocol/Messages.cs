using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace RunnerVm.GuestProtocol;

/// <summary>
/// Host → guest, once and first: makes this machine itself. Sent after a cold boot and after a restore alike, so nothing
/// that must be fresh can be forgotten on one of the two ways.
/// </summary>
public sealed record ThawRequest
{
    /// <summary>Wall clock, nanoseconds since 1970-01-01 UTC.</summary>
    public required long UnixTimeNanoseconds { get; init; }

    /// <summary>At least 32 bytes, credited to the kernel's generator before anything else runs.</summary>
    public required byte[] Entropy { get; init; }

    public required string Hostname { get; init; }

    /// <summary>32 lower-case hexadecimal digits, as in machine-id(5).</summary>
    public required string MachineId { get; init; }

    /// <summary>Absolute path of the folder the job works in; created on the scratch disk.</summary>
    public required string Workspace { get; init; }

    /// <summary>True: outbound TCP and DNS become dial and dns channels. False: there is only loopback.</summary>
    public required bool Network { get; init; }

    /// <summary>
    /// Name of a command that is put into the job's PATH and whose every call becomes an errand channel; null for none.
    /// </summary>
    public string? ErrandCommand { get; init; }
}

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

/// <summary>The answer to <see cref="ThawRequest"/>; <see cref="Error"/> is null when the machine is ready for steps.</summary>
public sealed record ThawResult
{
    public string? Error { get; init; }

    /// <summary>As uname -r.</summary>
    public string KernelRelease { get; init; } = "";

    /// <summary>Milliseconds from the agent's first instruction to its hello.</summary>
    public double BootMilliseconds { get; init; }

    /// <summary>Milliseconds this thaw took in the guest.</summary>
    public double ThawMilliseconds { get; init; }
}

/// <summary>
/// Host → guest, on an exec or pty channel. The process leads a session and a process group of its own, in a cgroup of
/// its own. Lanes to the guest: 0 standard input, 2 control (<see cref="ExecControl"/>, one message a data frame). Lanes
/// to the host: 0 standard output (all output of a pty), 1 standard error. The host keeps its direction open until the
/// result, because control may be needed until then; its end counts as <see cref="ExecControl.EndInput"/>.
/// </summary>
public sealed record ExecRequest
{
    /// <summary>
    /// Command lines in order of preference; the first whose program exists in the guest is run. In each, <c>{0}</c>
    /// stands for the path of <see cref="Script"/>.
    /// </summary>
    public required string[][] Candidates { get; init; }

    /// <summary>Written to a file in memory before the start, or null.</summary>
    public string? Script { get; init; }

    /// <summary>The whole environment; the agent adds nothing but what is missing of PATH, HOME and SHELL.</summary>
    public required Dictionary<string, string> Environment { get; init; }

    /// <summary>Absolute, or relative to the workspace.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>What ran out meanwhile is told also of a process that ended well: it may have done so on behalf of one that did not.</summary>
    public bool TellsAlways { get; init; }

    /// <summary>False: standard input is /dev/null. True: it is lane 0, until <see cref="ExecControl.EndInput"/>.</summary>
    public bool Input { get; init; }

    /// <summary>Initial size of a pty, in characters.</summary>
    public int Rows { get; init; } = 24;

    public int Columns { get; init; } = 80;
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

/// <summary>How a process ended. Exactly one of the first three is set.</summary>
public sealed record ExecResult
{
    /// <summary>0 to 255.</summary>
    public int? ExitCode { get; init; }

    /// <summary>The signal that ended it.</summary>
    public int? Signal { get; init; }

    /// <summary>It could not be started: why, in a sentence.</summary>
    public string? Error { get; init; }

    /// <summary>The guest's kernel killed a process of this step for want of memory; said only of steps that failed.</summary>
    public bool OutOfMemory { get; init; }

    /// <summary>The scratch disk had no room left at some moment of this step; said only of steps that failed.</summary>
    public bool DiskFull { get; init; }
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

/// <summary>Requests and results as JSON, and the one way of reading them that turns bad input into a protocol error.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(ThawRequest))]
[JsonSerializable(typeof(ThawResult))]
[JsonSerializable(typeof(FreezeRequest))]
[JsonSerializable(typeof(FreezeResult))]
[JsonSerializable(typeof(ExecRequest))]
[JsonSerializable(typeof(ExecControl))]
[JsonSerializable(typeof(ExecResult))]
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
