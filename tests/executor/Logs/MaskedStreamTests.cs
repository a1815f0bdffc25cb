using System.Buffers;
using System.Text;
using RunnerVm.Logs;
using Xunit;

namespace RunnerVm.Tests.Executor.Logs;

public sealed class MaskedStreamTests
{
    private const string Secret = "correct-horse-battery";

    [Fact]
    public void Text_without_a_secret_passes_unchanged() =>
        Assert.Equal("plain text, no more\n", MaskInChunks([Secret], "plain text, no more\n"));

    [Fact]
    public void Masker_without_secrets_passes_everything() => Assert.Equal("anything", MaskInChunks([], "anything"));

    [Fact]
    public void Secret_is_found_wherever_it_is_cut_in_two()
    {
        string text = $"before {Secret} after";
        for (int cut = 0; cut <= text.Length; cut++)
            Assert.Equal("before *** after", MaskInChunks([Secret], text[..cut], text[cut..]));
    }

    [Fact]
    public void Secret_is_found_wherever_it_is_cut_in_three()
    {
        string text = $"x{Secret}y";
        for (int first = 0; first <= text.Length; first++)
        {
            for (int second = first; second <= text.Length; second++)
                Assert.Equal("x***y", MaskInChunks([Secret], text[..first], text[first..second], text[second..]));
        }
    }

    [Fact]
    public void Secret_that_comes_byte_by_byte_is_found() =>
        Assert.Equal("a***b***", MaskInChunks([Secret], [.. $"a{Secret}b{Secret}".Select(c => c.ToString())]));

    [Fact]
    public void Adjacent_secrets_become_one_run() => Assert.Equal("[***]", MaskInChunks([Secret, "tiger"], $"[{Secret}tiger{Secret}]"));

    [Fact]
    public void Adjacent_secrets_become_one_run_across_chunks() => Assert.Equal("***.", MaskInChunks(["tiger"], "tiger", "tiger", "."));

    [Fact]
    public void Nothing_of_a_longer_secret_survives_beside_its_prefix() =>
        Assert.Equal("***!", MaskInChunks(["pass", "password1"], "password1!"));

    [Fact]
    public void Nothing_of_overlapping_secrets_survives() => Assert.Equal("<***>", MaskInChunks(["abcdef", "defghi"], "<abcdefghi>"));

    [Fact]
    public void Shorter_secret_inside_an_unfinished_longer_one_is_masked() =>
        Assert.Equal("xxxx***yyyyQ", MaskInChunks(["xxxxSECRETyyyyZ", "SECRET"], "xxxxSECRET", "yyyyQ"));

    [Fact]
    public void Periodic_secret_hides_the_whole_run() => Assert.Equal("b***b", MaskInChunks(["aaaa"], "b", "aaa", "aaaaaa", "b"));

    [Fact]
    public void Fewer_repetitions_than_the_secret_has_stay() => Assert.Equal("aaab", MaskInChunks(["aaaa"], "aa", "a", "b"));

    [Fact]
    public void Secret_of_asterisks_and_the_replacement_do_not_disturb_each_other()
    {
        Assert.Equal("a***b", MaskInChunks(["****", "***tail"], "a****b"));
        Assert.Equal("***", MaskInChunks(["****", "***tail"], "***"));
        Assert.Equal("***", MaskInChunks(["****", "***tail"], "**", "*tail"));
        Assert.Equal("***tail", MaskInChunks(["tiger", "***tail"], "tigertail"));
    }

    [Fact]
    public void Only_bytes_that_begin_a_secret_are_held_back()
    {
        MaskedStream stream = new SecretMasker([Secret]).Open();
        var masked = new ArrayBufferWriter<byte>();
        stream.Write("Password? "u8, masked);
        Assert.Equal(0, stream.HeldBytes);
        stream.Write("the correct"u8, masked);
        Assert.Equal("correct".Length, stream.HeldBytes);
        stream.Write(" answer"u8, masked);
        Assert.Equal(0, stream.HeldBytes);
        Assert.Equal("Password? the correct answer", Encoding.UTF8.GetString(masked.WrittenSpan));
    }

    [Fact]
    public void Secret_at_the_end_of_a_chunk_is_shown_as_masked_at_once()
    {
        MaskedStream stream = new SecretMasker([Secret]).Open();
        var masked = new ArrayBufferWriter<byte>();
        stream.Write(Encoding.UTF8.GetBytes("key: " + Secret), masked);
        Assert.Equal("key: ***", Encoding.UTF8.GetString(masked.WrittenSpan));
    }

    [Fact]
    public void Flush_lets_out_what_is_held_and_still_hides_the_rest()
    {
        MaskedStream stream = new SecretMasker([Secret]).Open();
        var masked = new ArrayBufferWriter<byte>();
        stream.Write("a correct"u8, masked);
        stream.Flush(masked);
        Assert.Equal("a correct", Encoding.UTF8.GetString(masked.WrittenSpan));
        stream.Write("-horse-battery."u8, masked);
        stream.Complete(masked);
        Assert.Equal("a correct***.", Encoding.UTF8.GetString(masked.WrittenSpan));
    }

    [Fact]
    public void Complete_forgets_what_came_before()
    {
        MaskedStream stream = new SecretMasker([Secret]).Open();
        var masked = new ArrayBufferWriter<byte>();
        stream.Write("correct-horse"u8, masked);
        stream.Complete(masked);
        stream.Write("-battery"u8, masked);
        stream.Complete(masked);
        Assert.Equal("correct-horse-battery", Encoding.UTF8.GetString(masked.WrittenSpan));
    }

    [Fact]
    public void Writing_allocates_nothing()
    {
        MaskedStream stream = new SecretMasker([Secret, "abcdabcdabcd"]).Open();
        var masked = new ArrayBufferWriter<byte>(1 << 20);
        byte[] chunk = Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat($"text abcdabcd {Secret} correct-horse", 200)));
        stream.Write(chunk, masked);
        masked.ResetWrittenCount();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int round = 0; round < 100; round++)
        {
            stream.Write(chunk, masked);
            stream.Flush(masked);
            masked.ResetWrittenCount();
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static string MaskInChunks(string[] secrets, params string[] chunks)
    {
        MaskedStream stream = new SecretMasker(secrets).Open();
        var masked = new ArrayBufferWriter<byte>();
        foreach (string chunk in chunks)
            stream.Write(Encoding.UTF8.GetBytes(chunk), masked);
        stream.Complete(masked);
        return Encoding.UTF8.GetString(masked.WrittenSpan);
    }
}
