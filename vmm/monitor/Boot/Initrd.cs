using RunnerVm.Vmm.Monitor.Machine;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Boot;

/// <summary>The first file system, in the guest's memory.</summary>
internal sealed record Initrd(ulong Address, ulong Length)
{
    public const string Field = "initrd_path";

    private const ulong PageMask = 0xfff;

    /// <summary>As high as it goes below the hole, away from where kernels unpack themselves.</summary>
    /// <exception cref="Control.VmmFaultException">No room, or not readable; names the file.</exception>
    public static Initrd Load(string path, GuestMemory memory, Kernel kernel)
    {
        using var file = new BootFile(Field, path);
        var end = MemoryLayout.LowMemoryEnd(memory);
        var length = (ulong)file.Length;
        if (kernel.End > end || length > end - kernel.End || ((end - length) & ~PageMask) < kernel.End)
        {
            throw file.Fault(
                $"has {length} bytes; between the kernel's end and the end of memory below 3 GiB there are {(kernel.End > end ? 0 : end - kernel.End)}",
                "Raise mem_size_mib or shrink it.");
        }

        var address = (end - length) & ~PageMask;
        file.Load(0, file.Length, memory, new(address));
        return new(address, length);
    }
}
