using System.Buffers.Binary;
using System.Text;

namespace RunnerVm.Vmm.Monitor.Boot.Acpi;

/// <summary>A system description table: the header all of them share (ACPI 6.5, 5.2.6), then its own.</summary>
internal static class AcpiTable
{
    public const int HeaderBytes = 36;

    private const int ChecksumOffset = 9;
    private const uint Revision = 1;

    public static byte[] Make(string signature, byte version, ReadOnlySpan<byte> body)
    {
        var table = new byte[HeaderBytes + body.Length];
        Encoding.ASCII.GetBytes(signature, table);
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(4), (uint)table.Length);
        table[8] = version;
        Encoding.ASCII.GetBytes("RUNVM ", table.AsSpan(10));
        Encoding.ASCII.GetBytes("RUNNERVM", table.AsSpan(16));
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(24), Revision);
        Encoding.ASCII.GetBytes("RUNV", table.AsSpan(28));
        BinaryPrimitives.WriteUInt32LittleEndian(table.AsSpan(32), Revision);
        body.CopyTo(table.AsSpan(HeaderBytes));
        table[ChecksumOffset] = Checksum(table);
        return table;
    }

    /// <summary>What makes all bytes add up to zero.</summary>
    public static byte Checksum(ReadOnlySpan<byte> bytes)
    {
        byte sum = 0;
        foreach (var value in bytes) sum += value;
        return (byte)-sum;
    }
}
