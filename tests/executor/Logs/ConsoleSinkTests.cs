using System.IO.Pipelines;
using System.Text;
using RunnerVm.Jobs;
using RunnerVm.Logs;
using Xunit;

namespace RunnerVm.Tests.Executor.Logs;

public sealed class ConsoleSinkTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 14, 9, 26, 53, TimeSpan.Zero);
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Fact]
    public async Task Standard_output_holds_exactly_the_jobs_output()
    {
        byte[] bytes = [.. "text \e]0;title\a"u8, 0xFF, 0x00, .. "no newline"u8];
        (byte[] output, string error) = await ShowAsync(new() { Output = Stream.Null, Error = Stream.Null, Unicode = true },
            new JobEvent.Notice(Start, "using qemu"),
            new JobEvent.StepStarted(Start, 0, "build"),
            Out(bytes),
            Err("warning\n"),
            new JobEvent.StepFinished(Start + Second, 0, "build", 0, Second, null),
            new JobEvent.StepSkipped(Start + Second, 1, "deploy"),
            new JobEvent.JobFinished(Start + (3 * Second), new JobOutcome.Succeeded(), 0));
        Assert.Equal(bytes, output);
        Assert.Equal("· using qemu\n▸ build\nwarning\n✓ build  1.00 s\n○ deploy  skipped\n✓ job succeeded  3.00 s\n", error);
    }

    [Fact]
    public async Task Where_the_artifacts_are_is_the_last_line()
    {
        (_, string error) = await ShowAsync(new() { Output = Stream.Null, Error = Stream.Null, Unicode = true },
            new JobEvent.ArtifactsStored(Start, "/data/artifacts/a-1", 3, 4096),
            new JobEvent.JobFinished(Start + Second, new JobOutcome.Succeeded(), 0));
        Assert.EndsWith("✓ job succeeded  1.00 s\n· artifacts: 3 files, 4.1 kB, in /data/artifacts/a-1\n", error);
    }

    [Fact]
    public async Task A_long_preparation_says_a_line_now_and_then_where_nothing_can_be_drawn_over()
    {
        (_, string error) = await ShowAsync(new() { Output = Stream.Null, Error = Stream.Null, Unicode = true },
            new JobEvent.Preparation(Start, "image debian-12", 0.1, "downloading"),
            new JobEvent.Preparation(Start + Second, "image debian-12", 0.2, "unpacking"),
            new JobEvent.Preparation(Start + (11 * Second), "image debian-12", 0.5, "configuring"),
            new JobEvent.Preparation(Start + (12 * Second), "image debian-12", 1, "ready, 57 MB"));
        Assert.Equal("· image debian-12: downloading (10 %)\n· image debian-12: configuring (50 %)\n✓ image debian-12  ready, 57 MB\n", error);
    }

    [Fact]
    public async Task A_reader_who_has_gone_stops_the_job_once_and_is_not_written_to_again()
    {
        int stops = 0;
        int writes = 0;
        var guard = new AbandonedReaderGuard(new FailingSink(() => writes++), () => stops++);
        await guard.WriteAsync(new JobEvent.Notice(Start, "one"), CancellationToken.None);
        await guard.WriteAsync(new JobEvent.Notice(Start, "two"), CancellationToken.None);
        Assert.Equal((1, 1), (stops, writes));
    }

    private sealed class FailingSink(Action onWrite) : IJobSink
    {
        public ValueTask WriteAsync(JobEvent jobEvent, CancellationToken cancellationToken)
        {
            onWrite();
            throw new IOException("Broken pipe");
        }
    }

    [Fact]
    public async Task Plain_ascii_is_enough()
    {
        (_, string error) = await ShowAsync(new() { Output = Stream.Null, Error = Stream.Null },
            new JobEvent.StepStarted(Start, 0, "build"),
            new JobEvent.StepFinished(Start, 0, "build", 137, Second, "The machine ran out of memory."),
            new JobEvent.JobFinished(Start, new JobOutcome.StepFailed("build", 137, "The machine ran out of memory."), 137));
        Assert.Equal(
            "> build\nx build  exit 137 (SIGKILL)  1.00 s\n  The machine ran out of memory.\n" +
            "x job failed: step 'build', exit 137 (SIGKILL): The machine ran out of memory.  0.00 s\n", error);
    }

    [Fact]
    public async Task Our_line_begins_at_the_left_edge_after_unfinished_output_on_the_same_terminal()
    {
        (_, string shown) = await ShowAsync(Terminal, Out("prompt> "), new JobEvent.Notice(Start, "note"));
        Assert.Equal("prompt> \n· note\n", shown);
        (_, shown) = await ShowAsync(Terminal, Out("\e[32mdone\n\e[0m"), new JobEvent.Notice(Start, "note"));
        Assert.Equal("\e[32mdone\n\e[0m· note\n", shown);
    }

    [Fact]
    public async Task Unfinished_output_in_a_file_does_not_break_our_lines()
    {
        (_, string error) = await ShowAsync(new() { Output = Stream.Null, Error = Stream.Null, Unicode = true },
            Out("no newline"), new JobEvent.Notice(Start, "note"), Err("half"), new JobEvent.Notice(Start, "other"));
        Assert.Equal("· note\nhalf\n· other\n", error);
    }

    [Fact]
    public async Task Terminal_gets_only_text_and_colours_and_colours_end_with_the_step()
    {
        (_, string shown) = await ShowAsync(Terminal,
            Out("\e[31mred\e[2J\e]52;c;eA==\a\n"),
            new JobEvent.StepFinished(Start, 0, "s", 0, Second, null));
        Assert.Equal("\e[31mred\n\e[0m✓ s  1.00 s\n", shown);
    }

    [Fact]
    public async Task Colour_on_a_terminal_ends_there_while_our_lines_go_to_a_file()
    {
        (byte[] output, string error) = await ShowAsync(
            new() { Output = Stream.Null, Error = Stream.Null, OutputIsTerminal = true, Unicode = true },
            Out("\e[31mred"),
            new JobEvent.StepFinished(Start, 0, "s", 0, Second, null));
        Assert.Equal("\e[31mred\e[0m", Encoding.UTF8.GetString(output));
        Assert.Equal("✓ s  1.00 s\n", error);
    }

    [Fact]
    public async Task Colour_of_the_job_does_not_run_into_a_line_of_ours()
    {
        (_, string shown) = await ShowAsync(Terminal, Err("\e[31mred\n"), new JobEvent.Notice(Start, "note"));
        Assert.Equal("\e[31mred\n\e[0m· note\n", shown);
    }

    [Fact]
    public async Task Names_from_outside_cannot_draw_on_the_terminal()
    {
        (_, string shown) = await ShowAsync(Terminal, new JobEvent.StepStarted(Start, 0, "a\e[2Jb\nc\u009bd"));
        Assert.Equal("▸ a [2Jb c d\n", shown);
    }

    [Fact]
    public async Task Bar_is_drawn_over_and_gone_before_anything_else()
    {
        (_, string shown) = await ShowAsync(Terminal with { Animate = true },
            new JobEvent.Transfer(Start, "workspace", 0, 1_000_000_000, false),
            new JobEvent.Transfer(Start + TimeSpan.FromMilliseconds(10), "workspace", 1, 1_000_000_000, false),
            new JobEvent.Transfer(Start + Second, "workspace", 500_000_000, 1_000_000_000, false),
            Out("line\n"),
            new JobEvent.Transfer(Start + (2 * Second), "workspace", 1_000_000_000, 1_000_000_000, true));
        Assert.Equal(
            "· workspace  ────────────────────────    0 %  0 B of 1.0 GB" +
            "\r\e[2K· workspace  ━━━━━━━━━━━━────────────   50 %  500 MB of 1.0 GB  500 MB/s" +
            "\r\e[2Kline\n✓ workspace  1.0 GB  2.00 s  500 MB/s\n", shown);
    }

    [Fact]
    public async Task Bar_is_lines_where_nothing_can_be_drawn_over()
    {
        (_, string error) = await ShowAsync(new() { Output = Stream.Null, Error = Stream.Null, Unicode = true },
            new JobEvent.Transfer(Start, "workspace", 0, 1_000_000_000, false),
            new JobEvent.Transfer(Start + Second, "workspace", 500_000_000, 1_000_000_000, false),
            new JobEvent.Transfer(Start + (2 * Second), "workspace", 1_000_000_000, 1_000_000_000, true),
            new JobEvent.Transfer(Start + (2 * Second), "artifacts", 12, null, true));
        Assert.Equal("· workspace: 1.0 GB\n✓ workspace  1.0 GB  2.00 s  500 MB/s\n✓ artifacts  12 B  0.00 s\n", error);
    }

    [Theory]
    [InlineData(20)]
    [InlineData(40)]
    [InlineData(72)]
    public async Task Lines_that_are_drawn_over_never_wrap(int columns)
    {
        (_, string shown) = await ShowAsync(Terminal with { Animate = true, Columns = columns },
            new JobEvent.PhaseEntered(Start, JobPhase.Booting, JobPhase.Preparing, Second),
            new JobEvent.Transfer(Start, new string('x', 200), 500, 1000, false),
            new JobEvent.Transfer(Start + Second, new string('x', 200), 500, null, false));
        Assert.All(shown.Split("\r\e[2K"), line => Assert.InRange(line.Length, 1, columns - 1));
    }

    [Fact]
    public async Task Quiet_says_only_why_a_job_failed()
    {
        (byte[] output, string error) = await ShowAsync(Terminal with { Quiet = true, Animate = true, OutputIsTerminal = false },
            new JobEvent.PhaseEntered(Start, JobPhase.Booting, JobPhase.Preparing, Second),
            new JobEvent.StepStarted(Start, 0, "build"),
            Out("out\n"),
            new JobEvent.StepFinished(Start, 0, "build", 2, Second, null),
            new JobEvent.JobFinished(Start, new JobOutcome.StepFailed("build", 2, null), 2));
        Assert.Equal("out\n", Encoding.UTF8.GetString(output));
        Assert.Equal("✗ job failed: step 'build', exit 2  0.00 s\n", error);
        (_, error) = await ShowAsync(Terminal with { Quiet = true }, new JobEvent.JobFinished(Start, new JobOutcome.Succeeded(), 0));
        Assert.Equal("", error);
    }

    [Fact]
    public async Task Timings_are_a_table_before_the_last_line()
    {
        (_, string error) = await ShowAsync(new() { Output = Stream.Null, Error = Stream.Null, Timings = true },
            new JobEvent.PhaseEntered(Start, JobPhase.Booting, JobPhase.Preparing, Second),
            new JobEvent.PhaseEntered(Start, JobPhase.Running, JobPhase.Booting, 3 * Second),
            new JobEvent.StepFinished(Start, 0, "build", 0, Second, null),
            new JobEvent.PhaseEntered(Start, JobPhase.Destroying, JobPhase.Running, Second),
            new JobEvent.JobFinished(Start, new JobOutcome.Cancelled(), 130));
        Assert.Equal(
            "+ build  1.00 s\n" +
            "  preparing     1.00 s  ####\n" +
            "  booting       3.00 s  ############\n" +
            "  running       1.00 s  ####\n" +
            "    build       1.00 s\n" +
            "  total         5.00 s\n" +
            "x job cancelled  0.00 s\n", error);
    }

    [Fact]
    public async Task Slow_reader_slows_the_writer()
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 1000, resumeWriterThreshold: 500));
        var sink = new ConsoleSink(new ConsoleSettings { Output = pipe.Writer.AsStream(), Error = Stream.Null });
        Task write = sink.WriteAsync(Out(new byte[2000]), CancellationToken.None).AsTask();
        Assert.False(write.IsCompleted);
        ReadResult read = await pipe.Reader.ReadAsync();
        pipe.Reader.AdvanceTo(read.Buffer.End);
        await write.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task Fan_out_gives_every_sink_every_event()
    {
        using var first = new MemoryStream();
        using var second = new MemoryStream();
        var sinks = new SinkFanOut(new JsonSink(first), new JsonSink(second));
        await sinks.WriteAsync(new JobEvent.Notice(Start, "note"), CancellationToken.None);
        Assert.NotEqual(0, first.Length);
        Assert.Equal(first.ToArray(), second.ToArray());
    }

    [Theory]
    [InlineData("xterm", "", "C.UTF-8", true, true, true)]
    [InlineData("xterm", "1", "en_US.utf8", false, true, true)]
    [InlineData("dumb", "", "C", false, false, false)]
    [InlineData("", "", "", false, false, false)]
    public void Environment_decides_what_is_drawn(string term, string noColor, string locale, bool color, bool animate, bool unicode)
    {
        var settings = ConsoleSettings.ForEnvironment(Stream.Null, Stream.Null, true, true, name => name switch
        {
            "TERM" => term,
            "NO_COLOR" => noColor,
            "LANG" => locale,
            _ => null,
        });
        Assert.Equal((color, animate, unicode), (settings.Color, settings.Animate, settings.Unicode));
    }

    [Theory]
    [InlineData(0, "0.00 s")]
    [InlineData(9.994, "9.99 s")]
    [InlineData(9.996, "10.0 s")]
    [InlineData(59.97, "1m 00s")]
    [InlineData(125, "2m 05s")]
    [InlineData(3599.8, "1h 00m")]
    [InlineData(3720, "1h 02m")]
    public void Durations_are_told_as_people_do(double seconds, string expected) =>
        Assert.Equal(expected, Readable.Duration(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(999, "999 B")]
    [InlineData(1500, "1.5 kB")]
    [InlineData(9_960_000, "10 MB")]
    [InlineData(999_600_000, "1.0 GB")]
    [InlineData(5e15, "5000 TB")]
    public void Sizes_are_told_as_people_do(double bytes, string expected) => Assert.Equal(expected, Readable.Size(bytes));

    private static ConsoleSettings Terminal { get; } =
        new() { Output = Stream.Null, Error = Stream.Null, OutputIsTerminal = true, ErrorIsTerminal = true, Unicode = true };

    private static JobEvent.Output Out(string text) => Out(Encoding.UTF8.GetBytes(text));

    private static JobEvent.Output Out(byte[] bytes) => new(Start, 0, OutputStream.StandardOutput, bytes);

    private static JobEvent.Output Err(string text) => new(Start, 0, OutputStream.StandardError, Encoding.UTF8.GetBytes(text));

    // Where both are a terminal, both are one stream here too.
    private static async Task<(byte[] Output, string Error)> ShowAsync(ConsoleSettings settings, params JobEvent[] events)
    {
        using var error = new MemoryStream();
        using var output = new MemoryStream();
        bool shared = settings is { OutputIsTerminal: true, ErrorIsTerminal: true };
        var sink = new ConsoleSink(settings with { Output = shared ? error : output, Error = error });
        foreach (JobEvent jobEvent in events)
            await sink.WriteAsync(jobEvent, CancellationToken.None);
        return (output.ToArray(), Encoding.UTF8.GetString(error.ToArray()));
    }
}
