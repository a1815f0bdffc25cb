using RunnerVm.Vmm.Native.Random;

namespace RunnerVm.Vmm.Monitor.Mmds;

/// <summary>
/// The session tokens of metadata version 2: 128 random bits that are remembered until they expire. A guest which asks for
/// more than <see cref="Most"/> at a time loses its oldest ones. Event loop only.
/// </summary>
internal sealed class MmdsTokens(TimeProvider clock)
{
    public const int Most = 1024;
    public const uint ShortestSeconds = 1;
    public const uint LongestSeconds = 21_600;
    private const int Length = 16;
    private readonly Queue<(UInt128 Secret, long Expires)> _live = new();

    /// <summary>Null where the lifetime is not one of 1 to 21600 seconds.</summary>
    public string? Generate(uint seconds)
    {
        if (seconds is < ShortestSeconds or > LongestSeconds) return null;
        Span<byte> secret = stackalloc byte[Length];
        HostRandom.Fill(secret);
        if (_live.Count == Most) _live.Dequeue();
        _live.Enqueue((BitConverter.ToUInt128(secret), clock.GetTimestamp() + seconds * clock.TimestampFrequency));
        return Convert.ToBase64String(secret);
    }

    public bool IsValid(ReadOnlySpan<char> token)
    {
        Span<byte> secret = stackalloc byte[Length];
        if (token.Length != (Length + 2) / 3 * 4 || !Convert.TryFromBase64Chars(token, secret, out var length) || length != Length) return false;
        var wanted = BitConverter.ToUInt128(secret);
        var now = clock.GetTimestamp();
        foreach (var (known, expires) in _live)
        {
            if (known == wanted) return expires > now;
        }

        return false;
    }
}
