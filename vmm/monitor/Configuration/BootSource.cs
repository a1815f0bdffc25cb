namespace RunnerVm.Vmm.Monitor.Configuration;

/// <summary>/boot-source</summary>
internal sealed record BootSource
{
    /// <summary>As Firecracker has it, where the caller says nothing.</summary>
    public const string DefaultArguments = "reboot=k panic=1 nomodule 8250.nr_uarts=0 i8042.noaux i8042.nomux i8042.dumbkbd swiotlb=noforce";

    /// <summary>Linux, x86: COMMAND_LINE_SIZE, with its zero.</summary>
    public const int MostArguments = 2048;

    /// <summary>ELF vmlinux or bzImage.</summary>
    public required string KernelImagePath { get; init; }

    public string? InitrdPath { get; init; }

    public string? BootArgs { get; init; }
}
