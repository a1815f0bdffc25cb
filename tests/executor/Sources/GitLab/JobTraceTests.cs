using System.Text;
using FsCheck.Xunit;
using Microsoft.Extensions.Time.Testing;
using RunnerVm.Sources.GitLab.Traces;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitLab;

/// <summary>What becomes of a job's bytes on their way into its log.</summary>
public sealed class JobTraceTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rvtrace").FullName;
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 31, 12, 0, 0, TimeSpan.Zero));
    private int _files;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Lines_carry_time_and_stream_and_go_on_by_a_plus() => Assert.Equal(
        """
        2026-01-31T12:00:00.000000Z 01O one
        2026-01-31T12:00:00.000000Z 01E two
        2026-01-31T12:00:00.000000Z 01O 10%<CR>
        2026-01-31T12:00:00.000000Z 01O+20%<CR>done
        2026-01-31T12:00:00.000000Z 01O unended

        """,
        Log(new(), (TraceStream.JobOutput, "one\n"), (TraceStream.JobError, "tw"), (TraceStream.JobError, "o\n"), (TraceStream.JobOutput, "10%\r "), (TraceStream.JobOutput, "20%\rdone\n"), (TraceStream.JobOutput, "unended"))
            .Replace("\r ", "<CR>", StringComparison.Ordinal).Replace("\r", "<CR>", StringComparison.Ordinal));

    [Fact]
    public void A_windows_line_end_in_two_pieces_stays_one() =>
        Assert.Equal("2026-01-31T12:00:00.000000Z 01O a\r\n", Log(new(), (TraceStream.JobOutput, "a\r"), (TraceStream.JobOutput, "\n")));

    [Fact]
    public void A_line_of_a_megabyte_is_shown_in_pieces()
    {
        var log = Log(new(), [.. Enumerable.Repeat((TraceStream.JobOutput, new string('x', 1024)), 1024)]);
        Assert.Equal(1 << 20, log.Count(static c => c == 'x'));
        Assert.True(log.Split('\n').Length > 100);
        Assert.Contains("01O+", log);
    }

    [Theory]
    [InlineData("say s3cret-value now", "say [MASKED] now")]
    [InlineData("token glpat-abc_DEF.123=x end", "token glpat-[MASKED] end")]
    [InlineData("glpat- alone", "glpat- alone")]
    [InlineData("https://x/?private_token=abc&y=1", "https://x/?private_token=[MASKED]&y=1")]
    [InlineData("https://x/?a=1&X-Amz-Signature=0a0b c", "https://x/?a=1&X-Amz-Signature=[MASKED] c")]
    [InlineData("own-abc123 of the server", "own-[MASKED] of the server")]
    [InlineData("gl", "gl")]
    public void What_may_not_be_seen_is_not(string written, string shown)
    {
        var options = new TraceOptions { Timestamps = false, Hidden = ["s3cret-value", " ", "abc"], TokenPrefixes = ["own-", "glpat-"] };
        Assert.Equal(shown, Log(options, (TraceStream.JobOutput, written)));
    }

    [Property(MaxTest = 200)]
    public bool However_it_is_cut_up_the_log_is_the_same(byte[] cuts)
    {
        const string Text = "s3cret-value é glpat-abc glrt-x\U0001F600?rss_token=1&s3cret-valueglcbt-";
        var options = new TraceOptions { Timestamps = false, Hidden = ["s3cret-value"] };
        var bytes = Encoding.UTF8.GetBytes(Text);
        var pieces = new List<byte[]>();
        var at = 0;
        foreach (var cut in cuts)
        {
            var length = Math.Min(cut % 5, bytes.Length - at);
            pieces.Add(bytes[at..(at + length)]);
            at += length;
        }

        pieces.Add(bytes[at..]);
        return Log(options, pieces) == "[MASKED] é glpat-[MASKED] glrt-[MASKED]\U0001F600?rss_token=[MASKED]&[MASKED]glcbt-";
    }

    [Fact]
    public void Broken_text_is_replaced_and_whole_characters_in_pieces_are_not()
    {
        var options = new TraceOptions { Timestamps = false };
        Assert.Equal("a\uFFFDb", Log(options, [[(byte)'a', 0xFF, (byte)'b']]));
        Assert.Equal("é\uFFFD", Log(options, [[0xC3], [0xA9], [0xE2, 0x82]]));
        Assert.Equal("\uFFFDx", Log(options, [[0xE2], [(byte)'x']]));
    }

    [Fact]
    public void The_limit_ends_the_log_with_a_notice_on_a_whole_character()
    {
        var log = Log(new() { Timestamps = false, LimitBytes = 4 }, (TraceStream.JobOutput, "abcé and much more"), (TraceStream.JobOutput, "swallowed"));
        Assert.StartsWith("abc\n\e[33;1mThis job's log is longer than the limit of 4 bytes.", log);
        Assert.DoesNotContain("swallowed", log);
    }

    [Fact]
    public async Task Sections_have_the_form_the_viewer_parses()
    {
        using var file = TraceFile.Create(Path.Join(_folder, "sections"));
        var trace = new JobTrace(file, new() { Timestamps = false }, _time);
        await using (await trace.OpenSectionAsync("get_sources", "Getting source", collapsed: true)) await trace.SayAsync("inside");
        trace.Close();
        Assert.Equal("section_start:1769860800:get_sources[collapsed=true]\r\e[0K\e[36;1mGetting source\e[0;m\ninside\nsection_end:1769860800:get_sources\r\e[0K", Read(file));
    }

    [Fact]
    public async Task A_value_that_becomes_known_later_is_hidden_from_then_on()
    {
        using var file = TraceFile.Create(Path.Join(_folder, "later"));
        var trace = new JobTrace(file, new() { Timestamps = false }, _time);
        await trace.SayAsync("expanded-value");
        trace.Hide(["expanded-value"]);
        await trace.SayAsync("expanded-value");
        trace.Close();
        Assert.Equal("expanded-value\n[MASKED]\n", Read(file));
    }

    [Fact]
    public void A_continued_file_has_the_checksum_of_all_of_it()
    {
        var path = Path.Join(_folder, "continued");
        using (var first = TraceFile.Create(path)) first.Append("1234"u8);
        using var again = TraceFile.Continue(path);
        again.Append("56789"u8);
        Assert.Equal("crc32:cbf43926", again.Checksum);
        Assert.Equal(9, again.Length);
    }

    private string Log(TraceOptions options, params (TraceStream Stream, string Text)[] pieces)
    {
        using var file = TraceFile.Create(Path.Join(_folder, $"{_files++}"));
        var trace = new JobTrace(file, options, _time);
        foreach (var (stream, text) in pieces) Assert.True(trace.WriteAsync(stream, Encoding.UTF8.GetBytes(text)).AsTask().IsCompletedSuccessfully);
        trace.Close();
        return Read(file);
    }

    private string Log(TraceOptions options, IEnumerable<byte[]> pieces)
    {
        using var file = TraceFile.Create(Path.Join(_folder, $"{_files++}"));
        var trace = new JobTrace(file, options, _time);
        foreach (var piece in pieces) Assert.True(trace.WriteAsync(TraceStream.JobOutput, piece).AsTask().IsCompletedSuccessfully);
        trace.Close();
        return Read(file);
    }

    private static string Read(TraceFile file)
    {
        var bytes = new byte[file.Length];
        Assert.Equal(bytes.Length, file.Read(0, bytes));
        return Encoding.UTF8.GetString(bytes);
    }
}
