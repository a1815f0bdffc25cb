using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using RunnerVm.Jobs;
using RunnerVm.Logs;
using Xunit;

namespace RunnerVm.Tests.Executor.Logs;

public sealed class JsonSinkTests(ITestOutputHelper testOutput)
{
    private static readonly DateTimeOffset Time = new(2026, 3, 14, 9, 26, 53, TimeSpan.FromHours(1));

    [Fact]
    public async Task Every_event_is_one_line_with_its_documented_fields()
    {
        string[] lines = await WriteAsync(
            new JobEvent.PhaseEntered(Time, JobPhase.Booting, JobPhase.Preparing, TimeSpan.FromSeconds(0.25)),
            new JobEvent.Notice(Time, "two\nlines"),
            new JobEvent.StepStarted(Time, 0, "build"),
            new JobEvent.Output(Time, 0, OutputStream.StandardError, "grün\e[1m\n"u8.ToArray()),
            new JobEvent.StepFinished(Time, 0, "build", 3, TimeSpan.FromSeconds(1), "out of memory"),
            new JobEvent.StepSkipped(Time, 1, "test"),
            new JobEvent.Transfer(Time, "workspace", 10, 20, false),
            new JobEvent.Transfer(Time, "artifacts", 10, null, true),
            new JobEvent.JobFinished(Time, new JobOutcome.StepFailed("build", 3, null), 3));
        const string head = "\"time\":\"2026-03-14T08:26:53Z\"";
        Assert.Equal(
            [
                $$"""{"event":"phase",{{head}},"phase":"booting","previous":"preparing","elapsedSeconds":0.25}""",
                $$"""{"event":"notice",{{head}},"text":"two\nlines"}""",
                $$"""{"event":"stepStarted",{{head}},"step":0,"name":"build"}""",
                $$"""{"event":"output",{{head}},"step":0,"stream":"stderr","text":"grün\u001B[1m\n"}""",
                $$"""{"event":"stepFinished",{{head}},"step":0,"name":"build","exitCode":3,"elapsedSeconds":1,"diagnosis":"out of memory"}""",
                $$"""{"event":"stepSkipped",{{head}},"step":1,"name":"test"}""",
                $$"""{"event":"transfer",{{head}},"what":"workspace","bytes":10,"totalBytes":20,"finished":false}""",
                $$"""{"event":"transfer",{{head}},"what":"artifacts","bytes":10,"finished":true}""",
                $$"""{"event":"jobFinished",{{head}},"outcome":"stepFailed","failedStep":"build","stepExitCode":3,"exitCode":3}""",
            ],
            lines);
    }

    [Fact]
    public async Task Every_outcome_has_a_form()
    {
        string[] lines = await WriteAsync(
            new JobEvent.JobFinished(Time, new JobOutcome.Succeeded(), 0),
            new JobEvent.JobFinished(Time, new JobOutcome.Cancelled(), 130),
            new JobEvent.JobFinished(Time, new JobOutcome.TimedOut("the job", TimeSpan.FromMinutes(30)), 124),
            new JobEvent.JobFinished(Time, new JobOutcome.RunnerFailed(FailureReason.MachineLost, "gone"), 121));
        Assert.EndsWith("\"outcome\":\"succeeded\",\"exitCode\":0}", lines[0], StringComparison.Ordinal);
        Assert.EndsWith("\"outcome\":\"cancelled\",\"exitCode\":130}", lines[1], StringComparison.Ordinal);
        Assert.EndsWith("\"outcome\":\"timedOut\",\"what\":\"the job\",\"limitSeconds\":1800,\"exitCode\":124}", lines[2], StringComparison.Ordinal);
        Assert.EndsWith("\"outcome\":\"runnerFailed\",\"reason\":\"machineLost\",\"message\":\"gone\",\"exitCode\":121}", lines[3], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Character_cut_by_a_chunk_stays_whole()
    {
        byte[] key = Encoding.UTF8.GetBytes("a🔑b");
        string[] lines = await WriteAsync([.. key.Select(value => Output(value)), Finished()]);
        Assert.Equal(["a", "🔑", "b"], lines[..^1].Select(line => JsonDocument.Parse(line).RootElement.GetProperty("text").GetString()));
        Assert.DoesNotContain(lines, line => line.Contains("base64", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Bytes_that_are_no_text_come_as_base64_too()
    {
        string[] lines = await WriteAsync(Output(0x61, 0xFF), Output(0xE2, 0x82), Finished());
        Assert.Equal(3, lines.Length);
        Assert.Contains("\"text\":\"a\uFFFD\",\"base64\":\"Yf8=\"", lines[0], StringComparison.Ordinal);
        Assert.Contains("\"base64\":\"4oI=\"", lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Cut_character_is_not_lost_when_the_job_ends_without_its_step()
    {
        string[] lines = await WriteAsync(
            new JobEvent.Output(Time, 7, OutputStream.StandardError, "\u00e2"u8[..1].ToArray()),
            new JobEvent.JobFinished(Time, new JobOutcome.Cancelled(), 130));
        Assert.Contains("\"step\":7,\"stream\":\"stderr\",\"text\":\"\uFFFD\",\"base64\":\"ww==\"", lines[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Names_with_lone_surrogates_are_still_json()
    {
        string[] lines = await WriteAsync(new JobEvent.Notice(Time, "a\uD800b"));
        Assert.Equal("a\uFFFDb", JsonDocument.Parse(lines[0]).RootElement.GetProperty("text").GetString());
    }

    [Fact]
    public void Any_bytes_in_any_chunks_come_back_from_the_lines()
    {
        Gen<byte[]> pieces = Gen.OneOf(
            Gen.Elements("é", "🔑", "€", "\n", "\"\\", "\u009b", "\u2028").Select(Encoding.UTF8.GetBytes),
            Gen.Choose(0, 255).Select(value => new[] { (byte)value }));
        var inputs = from all in pieces.ArrayOf()
                     let bytes = all.SelectMany(piece => piece).ToArray()
                     from cuts in Gen.Choose(0, bytes.Length).ArrayOf()
                     select (bytes, cuts: cuts.Append(0).Append(bytes.Length).Order().ToArray());
        int tried = 0;
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(5000).WithEndSize(30), Prop.ForAll(inputs.ToArbitrary(), input =>
        {
            tried++;
            JobEvent[] events = [.. input.cuts.Zip(input.cuts.Skip(1)).Select(cut => Output(input.bytes[cut.First..cut.Second])), Finished()];
            string[] lines = WriteAsync(events).GetAwaiter().GetResult();
            var back = new List<byte>();
            foreach (JsonElement line in lines[..^1].Select(text => JsonDocument.Parse(text).RootElement))
            {
                string text = line.GetProperty("text").GetString()!;
                byte[] bytes = line.TryGetProperty("base64", out JsonElement raw) ? raw.GetBytesFromBase64() : Encoding.UTF8.GetBytes(text);
                Assert.Equal(text, Encoding.UTF8.GetString(bytes));
                back.AddRange(bytes);
            }

            Assert.Equal(input.bytes, back);
            Assert.DoesNotContain(lines, line => line.Any(c => c is < ' ' or (>= '\u007f' and <= '\u009f')));
        }));
        testOutput.WriteLine($"{tried} inputs");
    }

    private static JobEvent.Output Output(params byte[] bytes) => new(Time, 0, OutputStream.StandardOutput, bytes);

    private static JobEvent.StepFinished Finished() => new(Time, 0, "s", 0, TimeSpan.Zero, null);

    private static async Task<string[]> WriteAsync(params JobEvent[] events)
    {
        using var output = new MemoryStream();
        var sink = new JsonSink(output);
        foreach (JobEvent jobEvent in events)
            await sink.WriteAsync(jobEvent, CancellationToken.None);
        string text = Encoding.UTF8.GetString(output.ToArray());
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        return text[..^1].Split('\n');
    }
}
