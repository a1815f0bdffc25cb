namespace RunnerVm.Vmm.Monitor.Configuration;

/// <summary>/cpu-config: a custom CPU template. Bitmaps are as written: "0b1x0…", most significant bit first, x leaves a bit alone.</summary>
internal sealed record CpuConfiguration
{
    public IReadOnlyList<string> KvmCapabilities { get; init; } = [];

    public IReadOnlyList<CpuidModifier> CpuidModifiers { get; init; } = [];

    public IReadOnlyList<MsrModifier> MsrModifiers { get; init; } = [];
}

/// <summary>One leaf.</summary>
internal sealed record CpuidModifier
{
    /// <summary>Hexadecimal, with 0x.</summary>
    public required string Leaf { get; init; }

    public required string Subleaf { get; init; }

    /// <summary>KVM_CPUID_FLAG_*.</summary>
    public required uint Flags { get; init; }

    public required IReadOnlyList<CpuidRegisterModifier> Modifiers { get; init; }
}

/// <param name="Register">eax, ebx, ecx or edx.</param>
/// <param name="Bitmap">At most 32 bits.</param>
internal sealed record CpuidRegisterModifier(string Register, string Bitmap);

/// <param name="Addr">Hexadecimal, with 0x.</param>
/// <param name="Bitmap">At most 64 bits.</param>
internal sealed record MsrModifier(string Addr, string Bitmap);
