using System.Text;
using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Machine;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Boot;

/// <summary>What the kernel is told in words: boot_args, where the root is, and where the devices are.</summary>
internal static class CommandLine
{
    public const string Field = "boot_args";

    /// <summary>Linux's own mark: what follows is for init, so our words go before it.</summary>
    private const string InitArguments = " -- ";

    public static string Compose(BootSource source, IReadOnlyList<Drive> drives, IReadOnlyList<VirtioSlot> devices)
    {
        var words = (source.BootArgs ?? BootSource.DefaultArguments).Trim();
        if (words.Any(static c => c is < ' ' or > '~'))
            throw new VmmFaultException($"{Field}: only printable ASCII characters are allowed. Take the others out.");

        var split = words.IndexOf(InitArguments, StringComparison.Ordinal);
        var line = new StringBuilder(split < 0 ? words : words[..split]);
        if (drives.FirstOrDefault(static drive => drive.IsRootDevice) is { } root)
        {
            line.Append(" root=").Append(root.Partuuid is { } uuid ? $"PARTUUID={uuid}" : "/dev/vda");
            line.Append(root.IsReadOnly ? " ro" : " rw");
        }

        // For kernels with CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES; the others find the same devices in the DSDT.
        foreach (var device in devices)
            line.Append(System.Globalization.CultureInfo.InvariantCulture, $" virtio_mmio.device={MemoryLayout.VirtioLength >> 10}K@0x{device.Address:x}:{device.Gsi}");
        if (split >= 0) line.Append(words, split, words.Length - split);
        return line.ToString().Trim();
    }

    /// <exception cref="VmmFaultException">Longer than the kernel takes.</exception>
    public static void Write(GuestMemory memory, string line, Kernel kernel)
    {
        if (line.Length >= kernel.CommandLineBytes)
        {
            throw new VmmFaultException(
                $"{Field}: the command line has {line.Length} characters with what is added for root and devices; the kernel takes {kernel.CommandLineBytes - 1}. Shorten it.");
        }

        memory.Write(new(MemoryLayout.CommandLine), Encoding.ASCII.GetBytes(line + '\0'));
    }
}
