namespace RunnerVm.GuestProtocol;

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

    /// <summary>False: standard input is /dev/null. True: it is lane 0, until <see cref="ExecControl.EndInput"/>.</summary>
    public bool Input { get; init; }

    /// <summary>Initial size of a pty, in characters.</summary>
    public int Rows { get; init; } = 24;

    public int Columns { get; init; } = 80;

    /// <summary>What ran out meanwhile is told also of a process that ended well: it may have done so on behalf of one that did not.</summary>
    public bool TellsAlways { get; init; }

    public byte[] ToPayload()
    {
        var writer = new PayloadWriter().Int32(Candidates.Length);
        foreach (var candidate in Candidates) writer.Texts(candidate);
        writer.Text(Script).Int32(Environment.Count);
        foreach (var (name, value) in Environment) writer.Text(name).Text(value);
        return writer.Text(WorkingDirectory).Int32(Input ? 1 : 0).Int32(Rows).Int32(Columns).Int32(TellsAlways ? 1 : 0).ToArray();
    }

    /// <exception cref="ProtocolException">It is none.</exception>
    public static ExecRequest Read(ReadOnlySpan<byte> payload)
    {
        var reader = new PayloadReader(nameof(ExecRequest), payload);
        var request = new ExecRequest
        {
            Candidates = ReadCandidates(ref reader),
            Script = reader.OptionalText(),
            Environment = ReadEnvironment(ref reader),
            WorkingDirectory = reader.OptionalText(),
            Input = reader.Int32() != 0,
            Rows = reader.Int32(),
            Columns = reader.Int32(),
            TellsAlways = reader.Int32() != 0,
        };
        reader.End();
        return request;
    }

    private static string[][] ReadCandidates(ref PayloadReader reader)
    {
        var candidates = new string[reader.Count()][];
        for (var i = 0; i < candidates.Length; i++) candidates[i] = reader.Texts();
        return candidates;
    }

    private static Dictionary<string, string> ReadEnvironment(ref PayloadReader reader)
    {
        var count = reader.Count();
        var environment = new Dictionary<string, string>(count, StringComparer.Ordinal);
        for (var i = 0; i < count; i++) environment[reader.Text()] = reader.Text();
        return environment;
    }
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

    public byte[] ToPayload() => new PayloadWriter()
        .Int32(ExitCode ?? PayloadReader.Nothing).Int32(Signal ?? PayloadReader.Nothing).Text(Error).Int32(OutOfMemory ? 1 : 0).Int32(DiskFull ? 1 : 0).ToArray();

    /// <exception cref="ProtocolException">It is none.</exception>
    public static ExecResult Read(ReadOnlySpan<byte> payload)
    {
        var reader = new PayloadReader(nameof(ExecResult), payload);
        var result = new ExecResult
        {
            ExitCode = reader.OptionalInt32(),
            Signal = reader.OptionalInt32(),
            Error = reader.OptionalText(),
            OutOfMemory = reader.Int32() != 0,
            DiskFull = reader.Int32() != 0,
        };
        reader.End();
        return result;
    }
}
