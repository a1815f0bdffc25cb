namespace RunnerVm.Vmm.Jailer;

/// <summary>What the command line asks for; each value is well-formed, the things it names have not been looked at yet.</summary>
internal sealed record JailRequest
{
    /// <summary>1 to 64 letters, digits and hyphens.</summary>
    public string Id { get; init; } = "";

    public string ExecFile { get; init; } = "";

    public uint Uid { get; init; }

    public uint Gid { get; init; }

    public string ChrootBase { get; init; } = "/srv/jailer";

    public string? NetworkNamespace { get; init; }

    public bool Daemonize { get; init; }

    public bool NewPidNamespace { get; init; }

    public int CgroupVersion { get; init; } = 1;

    /// <summary>Relative to the hierarchy's mount; null for the program's name.</summary>
    public string? ParentCgroup { get; init; }

    /// <summary>In the order given: some files want another written before.</summary>
    public IReadOnlyList<CgroupValue> CgroupValues { get; init; } = [];

    public ulong? FileSizeLimit { get; init; }

    /// <summary>2048 is Firecracker's: far more than a machine with all its devices has open.</summary>
    public ulong OpenFilesLimit { get; init; } = 2048;

    /// <summary>What follows <c>--</c>.</summary>
    public IReadOnlyList<string> ProgramArguments { get; init; } = [];

    public string ExecName => Path.GetFileName(ExecFile);
}

/// <param name="File">Such as <c>cpuset.cpus</c>: a controller, a dot, and its file.</param>
internal sealed record CgroupValue(string File, string Value)
{
    public string Controller => File[..File.IndexOf('.', StringComparison.Ordinal)];
}
