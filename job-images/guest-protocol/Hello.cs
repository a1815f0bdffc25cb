using System.Buffers.Binary;

namespace RunnerVm.GuestProtocol;

/// <summary>
/// The first frame of each side: the letters RVM and a newline, the version (4 bytes), then up to 64 bytes of UTF-8
/// that name the sender's build. Peers of different versions part at once, with a sentence.
/// </summary>
/// <param name="Version">Protocol version.</param>
/// <param name="Build">Free text for logs; untrusted when it comes from a guest.</param>
public sealed record Hello(int Version, string Build)
{
    /// <summary>Raised with every incompatible change.</summary>
    public const int CurrentVersion = 2;

    private const int MaxBuild = 64;

    private static ReadOnlySpan<byte> Magic => "RVM\n"u8;

    internal byte[] ToPayload()
    {
        var build = System.Text.Encoding.UTF8.GetBytes(Build);
        if (build.Length > MaxBuild) throw new ArgumentException($"A build name has at most {MaxBuild} bytes.");
        var payload = new byte[8 + build.Length];
        Magic.CopyTo(payload);
        BinaryPrimitives.WriteInt32LittleEndian(payload.AsSpan(4), Version);
        build.CopyTo(payload, 8);
        return payload;
    }

    internal static Hello Read(ReadOnlySpan<byte> payload)
    {
        if (payload.Length is < 8 or > 8 + MaxBuild) throw Malformed.BadHello($"it has {payload.Length} bytes");
        if (!payload.StartsWith(Magic)) throw Malformed.BadHello("it does not start with the magic letters");
        var version = BinaryPrimitives.ReadInt32LittleEndian(payload[4..]);
        if (version != CurrentVersion) throw Malformed.VersionMismatch(version);
        return new(version, System.Text.Encoding.UTF8.GetString(payload[8..]));
    }
}
