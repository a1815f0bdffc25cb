namespace RunnerVm;

/// <summary>
/// Random bytes of the host's kernel. .NET's own generator is OpenSSL's here, and loading that takes longer than all else a short
/// command does before its machine starts.
/// </summary>
internal static class HostRandom
{
    private const string Device = "/dev/urandom";

    /// <exception cref="IOException">The device is not there, or gives less.</exception>
    public static byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        using var device = File.OpenHandle(Device);
        // It gives up to 256 bytes in one piece (random(4)); a signal may cut more short.
        for (var filled = 0; filled < count;)
        {
            var read = RandomAccess.Read(device, bytes.AsSpan(filled), fileOffset: 0);
            if (read == 0) throw new IOException($"{Device} gave no bytes.");
            filled += read;
        }

        return bytes;
    }

    /// <summary>Lower-case hexadecimal digits.</summary>
    /// <param name="digits">How many; even.</param>
    public static string Hex(int digits) => Convert.ToHexStringLower(Bytes(digits / 2));
}
