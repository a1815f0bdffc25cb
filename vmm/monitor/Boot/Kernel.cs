using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Machine;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Boot;

/// <summary>How the first vCPU enters the kernel.</summary>
internal enum BootProtocol
{
    /// <summary>Documentation/arch/x86/boot.rst, "64-bit Boot Protocol": long mode, RSI points to the zero page.</summary>
    Linux64,

    /// <summary>Xen's PVH: 32-bit protected mode without paging, EBX points to hvm_start_info.</summary>
    Pvh,
}

/// <summary>A kernel in the guest's memory.</summary>
/// <param name="End">The first address behind what it occupies, its zeroed part included.</param>
internal sealed record Kernel(BootProtocol Protocol, ulong Entry, ulong End)
{
    /// <summary>A bzImage's own, for the zero page; null for an ELF.</summary>
    public byte[]? SetupHeader { get; init; }

    /// <summary>With the zero byte at its end; what this kernel takes.</summary>
    public int CommandLineBytes { get; init; } = MemoryLayout.CommandLineBytes;

    public const string Field = "kernel_image_path";

    private const uint ElfMagic = 0x464c457f;

    /// <summary>Recognizes the format by its magic numbers and loads it.</summary>
    /// <exception cref="VmmFaultException">Not a kernel for this machine; names the file.</exception>
    public static Kernel Load(string path, GuestMemory memory)
    {
        using var file = new BootFile(Field, path);
        if (file.Length >= sizeof(uint) && file.Read<uint>(0) == ElfMagic) return ElfKernel.Load(file, memory);
        if (BzImage.Recognizes(file)) return BzImage.Load(file, memory);
        throw file.Fault("is neither an ELF file (vmlinux) nor a bzImage", "Name a Linux kernel for x86-64.");
    }
}
