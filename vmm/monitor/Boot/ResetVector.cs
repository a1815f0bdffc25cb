using RunnerVm.Vmm.Monitor.Machine;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Boot;

/// <summary>
/// All the firmware there is: F000:FFF0, where a kernel jumps in real mode to reboot. Linux does so when it is told nothing
/// else and finds hardware-reduced ACPI without EFI; without this it would run through zeroes for ever.
/// </summary>
internal static class ResetVector
{
    private static ReadOnlySpan<byte> Code =>
    [
        0xb0, 0xfe, // mov al, 0xfe
        0xe6, 0x64, // out 0x64, al: the keyboard controller's reset line
        0xf4,       // hlt
        0xeb, 0xfd, // jmp to the hlt
    ];

    public static void Write(GuestMemory memory) => memory.Write(new(MemoryLayout.ResetVector), Code);
}
