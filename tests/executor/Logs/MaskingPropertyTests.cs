using System.Buffers;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using RunnerVm.Logs;
using Xunit;

namespace RunnerVm.Tests.Executor.Logs;

/// <summary>The masker in random chunks against the definition on the whole text.</summary>
public sealed class MaskingPropertyTests(ITestOutputHelper output)
{
    private const int Inputs = 4000;

    /// <summary>Secrets, a text, where it is cut, and where it is flushed.</summary>
    private sealed record Input(string[] Secrets, byte[] Text, int[] Cuts)
    {
        public override string ToString() =>
            $"secrets [{string.Join(" | ", Secrets)}] text [{NaiveMasker.Text(Text)}] cuts [{string.Join(' ', Cuts)}]";
    }

    // A small alphabet makes overlaps, nesting, repetition and near matches the rule.
    private static Gen<string> SecretGen(string alphabet, int shortest) =>
        from length in Gen.Choose(shortest, shortest + 10)
        from unit in Gen.Choose(1, 4)
        from letters in Gen.Elements(alphabet.ToCharArray()).ArrayOf(length)
        from periodic in Gen.Elements(true, false, false)
        let value = new string(letters)
        select periodic ? string.Concat(Enumerable.Repeat(value[..unit], length))[..length] : value;

    private static Gen<Input> InputGen(string alphabet, int shortest) =>
        from count in Gen.Choose(1, 5)
        from own in SecretGen(alphabet, shortest).ArrayOf(count)
        from nested in Gen.Choose(shortest, shortest + 10)
        let secrets = own.Append(own[0][..Math.Min(nested, own[0].Length)]).Append(own[^1] + own[0][^2..]).ToArray()
        let forms = NaiveMasker.Patterns(secrets)
        from pieces in Gen.OneOf(
            Gen.Elements(forms),
            from form in Gen.Elements(forms) from kept in Gen.Choose(1, form.Length) select form[..kept],
            from form in Gen.Elements(forms) from kept in Gen.Choose(1, form.Length) select form[^kept..],
            from letters in Gen.Elements((alphabet + "* \n").ToCharArray()).ArrayOf() select Encoding.UTF8.GetBytes(letters)).ArrayOf()
        let text = pieces.SelectMany(piece => piece).ToArray()
        from cuts in Gen.Choose(0, text.Length).ArrayOf()
        select new Input(secrets, text, [.. cuts.Append(0).Append(text.Length).Order()]);

    [Theory]
    [InlineData("ab", 4, Inputs)]
    [InlineData("ab", 5, Inputs / 4)]
    [InlineData("abc", 12, Inputs)]
    [InlineData("abcdef0189", 4, Inputs)]
    [InlineData("abcdef0189", 12, Inputs / 2)]
    [InlineData("a'&\"<\\/ é€", 4, Inputs / 4)]
    [InlineData("ab*", 4, Inputs / 4)]
    public void Masking_in_chunks_equals_the_definition_on_the_whole(string alphabet, int shortest, int inputs)
    {
        int tried = 0;
        long bytes = 0;
        Check(alphabet, shortest, inputs, input =>
        {
            byte[][] patterns = NaiveMasker.Patterns(input.Secrets);
            byte[] expected = NaiveMasker.Mask(patterns, input.Text);
            tried++;
            bytes += input.Text.Length;
            byte[] masked = MaskInChunks(input);
            Assert.Equal(NaiveMasker.Text(expected), NaiveMasker.Text(masked));
            if (!alphabet.Contains('*'))
                Assert.DoesNotContain(patterns, pattern => masked.AsSpan().IndexOf(pattern) >= 0);
        });
        output.WriteLine($"{tried} inputs, {bytes} bytes, alphabet '{alphabet}', secrets from {shortest} characters");
        Assert.True(tried >= inputs);
    }

    [Fact]
    public void Bytes_held_back_are_exactly_the_longest_beginning_of_a_pattern()
    {
        int tried = 0;
        Check("abc", 4, Inputs / 2, input =>
        {
            byte[][] patterns = NaiveMasker.Patterns(input.Secrets);
            MaskedStream stream = new SecretMasker(input.Secrets).Open();
            var masked = new ArrayBufferWriter<byte>();
            for (int cut = 1; cut < input.Cuts.Length; cut++)
            {
                stream.Write(input.Text.AsSpan(input.Cuts[cut - 1]..input.Cuts[cut]), masked);
                tried++;
                int open = NaiveMasker.LongestOpenEnd(patterns, input.Text[..input.Cuts[cut]]);
                // Fewer when a part of the open end is hidden already.
                Assert.InRange(stream.HeldBytes, 0, open);
                if (masked.WrittenCount > 0 && !masked.WrittenSpan.EndsWith("***"u8))
                    Assert.Equal(open, stream.HeldBytes);
            }
        });
        output.WriteLine($"{tried} chunks");
    }

    [Fact]
    public void Flushing_at_random_never_lets_a_whole_secret_through_and_never_loses_other_bytes()
    {
        int tried = 0;
        Check("abcd", 9, Inputs / 2, input =>
        {
            byte[][] patterns = NaiveMasker.Patterns(input.Secrets);
            MaskedStream stream = new SecretMasker(input.Secrets).Open();
            var masked = new ArrayBufferWriter<byte>();
            for (int cut = 1; cut < input.Cuts.Length; cut++)
            {
                stream.Write(input.Text.AsSpan(input.Cuts[cut - 1]..input.Cuts[cut]), masked);
                if (cut % 2 == 0)
                    stream.Flush(masked);
            }

            stream.Complete(masked);
            tried++;
            byte[] written = masked.WrittenSpan.ToArray();
            Assert.DoesNotContain(patterns, pattern => written.AsSpan().IndexOf(pattern) >= 0);
            // Every byte the definition shows is shown, in order; a flush only shows more.
            Assert.True(IsSubsequence(NaiveMasker.Mask(patterns, input.Text).Where(b => b != '*'), written), input.ToString());
        });
        output.WriteLine($"{tried} inputs");
    }

    private static bool IsSubsequence(IEnumerable<byte> part, byte[] whole)
    {
        int at = 0;
        foreach (byte value in part)
        {
            at = Array.IndexOf(whole, value, at) + 1;
            if (at == 0)
                return false;
        }

        return true;
    }

    private static byte[] MaskInChunks(Input input)
    {
        MaskedStream stream = new SecretMasker(input.Secrets).Open();
        var masked = new ArrayBufferWriter<byte>();
        for (int cut = 1; cut < input.Cuts.Length; cut++)
            stream.Write(input.Text.AsSpan(input.Cuts[cut - 1]..input.Cuts[cut]), masked);
        stream.Complete(masked);
        return masked.WrittenSpan.ToArray();
    }

    private static void Check(string alphabet, int shortest, int inputs, Action<Input> property)
    {
        Gen<Input> valid = InputGen(alphabet, shortest).Where(input => !input.Secrets.Any(SecretMasker.IsTooShort));
        Config config = Config.QuickThrowOnFailure.WithMaxTest(inputs).WithEndSize(40);
        FsCheck.Check.One(config, Prop.ForAll(valid.ToArbitrary(), input => { property(input); }));
    }
}
