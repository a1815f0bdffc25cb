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

    public byte[] ToPayload() => new PayloadWriter()
        .Int64(UnixTimeNanoseconds).Bytes(Entropy).Text(Hostname).Text(MachineId).Text(Workspace).Int32(Network ? 1 : 0).Text(ErrandCommand).ToArray();

    /// <exception cref="ProtocolException">It is none.</exception>
    public static ThawRequest Read(ReadOnlySpan<byte> payload)
    {
        var reader = new PayloadReader(nameof(ThawRequest), payload);
        var request = new ThawRequest
        {
            UnixTimeNanoseconds = reader.Int64(),
            Entropy = reader.Bytes(),
            Hostname = reader.Text(),
            MachineId = reader.Text(),
            Workspace = reader.Text(),
            Network = reader.Int32() != 0,
            ErrandCommand = reader.OptionalText(),
        };
        reader.End();
        return request;
    }
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

    public byte[] ToPayload() => new PayloadWriter()
        .Text(Error).Text(KernelRelease).Int64(Microseconds(BootMilliseconds)).Int64(Microseconds(ThawMilliseconds)).ToArray();

    /// <exception cref="ProtocolException">It is none.</exception>
    public static ThawResult Read(ReadOnlySpan<byte> payload)
    {
        var reader = new PayloadReader(nameof(ThawResult), payload);
        var result = new ThawResult
        {
            Error = reader.OptionalText(),
            KernelRelease = reader.Text(),
            BootMilliseconds = reader.Int64() / 1000.0,
            ThawMilliseconds = reader.Int64() / 1000.0,
        };
        reader.End();
        return result;
    }

    private static long Microseconds(double milliseconds) => (long)(milliseconds * 1000);
}
