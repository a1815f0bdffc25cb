using System.Globalization;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Net;

/// <summary>Six bytes of an Ethernet address, in the order in which they are sent.</summary>
internal readonly record struct MacAddress(ulong Value)
{
    public const int Bytes = 6;

    /// <param name="text">aa:bb:cc:dd:ee:ff</param>
    public static bool TryParse(string text, out MacAddress address)
    {
        address = default;
        var parts = text.Split(':');
        if (parts.Length != Bytes) return false;
        ulong value = 0;
        foreach (var part in parts)
        {
            if (part.Length != 2 || !byte.TryParse(part, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var octet)) return false;
            value = (value << 8) | octet;
        }

        address = new(value);
        return true;
    }

    /// <param name="bytes">At least six.</param>
    public static MacAddress Read(ReadOnlySpan<byte> bytes)
    {
        ulong value = 0;
        foreach (var octet in bytes[..Bytes]) value = (value << 8) | octet;
        return new(value);
    }

    public void Write(Span<byte> into)
    {
        for (var i = 0; i < Bytes; i++) into[i] = (byte)(Value >> (8 * (Bytes - 1 - i)));
    }

    public override string ToString() => string.Join(':', Enumerable.Range(0, Bytes).Select(Octet));

    private string Octet(int index) => ((byte)(Value >> (8 * (Bytes - 1 - index)))).ToString("x2", CultureInfo.InvariantCulture);
}
