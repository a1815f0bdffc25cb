using System.Buffers;
using System.Text;

namespace RunnerVm.Logs;

/// <summary>
/// Takes the secrets of a job out of everything that is said about it. A byte is hidden when it lies in any occurrence
/// of any form (<see cref="SecretEncodings"/>) of any secret, found in the text as the job wrote it; each unbroken run
/// of hidden bytes becomes one <c>***</c>. So nothing of a longer secret survives beside a shorter one in it.
/// </summary>
/// <remarks>
/// The output is not searched again. Text that looks like a secret can then only be one that has our own <c>*</c> in
/// it (a secret <c>a***b</c> and a text <c>a</c>, other secret, <c>b</c>): the asterisks say nothing about what was
/// there, and a second pass would have the same question. Immutable and safe to use from several threads.
/// </remarks>
internal sealed class SecretMasker
{
    /// <summary>Shortest value that is taken; a shorter one occurs everywhere and would shred the log.</summary>
    public const int MinimumCharacters = 4;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false);

    private readonly SecretPatterns _patterns;
    private readonly byte[] _replacement;

    /// <param name="values">Values as the job gets them.</param>
    /// <param name="replacement">What a run of hidden bytes becomes; forges have words of their own for it.</param>
    /// <exception cref="ArgumentException">A value is too short; the message does not hold it.</exception>
    public SecretMasker(IEnumerable<string> values, string replacement = "***")
    {
        _replacement = Utf8.GetBytes(replacement);
        var patterns = new List<byte[]>();
        foreach (string value in values)
        {
            if (IsTooShort(value))
                throw new ArgumentException($"A secret needs at least {MinimumCharacters} characters besides white space.", nameof(values));
            patterns.AddRange(SecretEncodings.Of(value));
        }

        _patterns = new SecretPatterns(patterns);
    }

    /// <summary>What a run of hidden bytes becomes where nothing else is asked for.</summary>
    public static ReadOnlySpan<byte> Replacement => "***"u8;

    /// <summary>Whether a value has too few characters, white space around it aside, to be masked.</summary>
    public static bool IsTooShort(string value) => SecretEncodings.CountCharacters(value.AsSpan().Trim()) < MinimumCharacters;

    /// <summary>A new stream to mask: one for each thing whose bytes follow each other, such as a step's standard output.</summary>
    public MaskedStream Open() => new(_patterns, _replacement);

    /// <summary>Masks a whole text, such as a notice. Returns the same string when there is nothing to hide.</summary>
    public string Mask(string text)
    {
        if (_patterns.IsEmpty)
            return text;
        byte[] bytes = Utf8.GetBytes(text);
        if (_patterns.Find(bytes, 0, out _) < 0)
            return text;
        var masked = new ArrayBufferWriter<byte>(bytes.Length + _replacement.Length);
        MaskedStream stream = Open();
        stream.Write(bytes, masked);
        stream.Complete(masked);
        return masked.WrittenSpan.SequenceEqual(bytes) ? text : Utf8.GetString(masked.WrittenSpan);
    }
}
