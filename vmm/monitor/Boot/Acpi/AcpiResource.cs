using System.Buffers.Binary;

namespace RunnerVm.Vmm.Monitor.Boot.Acpi;

/// <summary>Resource descriptors for _CRS (ACPI 6.5, 6.4).</summary>
internal static class AcpiResource
{
    private const byte Consumer = 1;
    private const byte Edge = 2;

    /// <summary>6.4.2.5: decodes all 16 bits of the port.</summary>
    public static byte[] Ports(ushort first, byte count) =>
        [0x47, 1, (byte)first, (byte)(first >> 8), (byte)first, (byte)(first >> 8), 1, count];

    /// <summary>6.4.3.4: readable and writable.</summary>
    public static byte[] Memory(uint address, uint length)
    {
        byte[] descriptor = [0x86, 9, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        BinaryPrimitives.WriteUInt32LittleEndian(descriptor.AsSpan(4), address);
        BinaryPrimitives.WriteUInt32LittleEndian(descriptor.AsSpan(8), length);
        return descriptor;
    }

    /// <summary>6.4.3.6: an edge, active high, not shared.</summary>
    public static byte[] Interrupt(uint gsi)
    {
        byte[] descriptor = [0x89, 6, 0, Consumer | Edge, 1, 0, 0, 0, 0];
        BinaryPrimitives.WriteUInt32LittleEndian(descriptor.AsSpan(5), gsi);
        return descriptor;
    }
}
