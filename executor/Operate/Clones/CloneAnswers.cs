using System.Globalization;
using System.Text;
using RunnerVm.GuestProtocol;
using RunnerVm.Guests;

namespace RunnerVm.Operate.Clones;

/// <summary>What one copy answered, made safe to print.</summary>
/// <param name="Facts">By the names in <see cref="CloneQuestions"/>, the clock not among them.</param>
/// <param name="ClockError">How far its clock was outside the time between the question and the answer; zero where it was right.</param>
/// <param name="Clock">What its clock said; null where it could not be read.</param>
internal sealed record CloneAnswers(IReadOnlyDictionary<string, string> Facts, long? Clock, TimeSpan ClockError)
{
    /// <summary>Names and values are short and few; whatever else comes is not our script's.</summary>
    private const int MostBytes = 16 * 1024;

    private const string ClockName = "clock";

    /// <exception cref="GuestFailedException">It could not be asked.</exception>
    public static async Task<CloneAnswers> AskAsync(GuestSession guest, TimeProvider time, StopRequest stop)
    {
        using var output = new MemoryStream();
        var asked = time.GetUtcNow();
        var result = await guest.ExecAsync(CloneQuestions.Request, (stream, bytes) =>
        {
            if (output.Length + bytes.Length > MostBytes) throw new ProtocolException($"A copy answered with more than {MostBytes} bytes.");
            output.Write(bytes.Span);
            return ValueTask.CompletedTask;
        }, stop);
        var answered = time.GetUtcNow();
        var said = Encoding.UTF8.GetString(output.ToArray());
        if (result.Error is not null || result.ExitCode != 0)
            throw new GuestFailedException($"A copy could not be asked: {result.Error ?? $"its script ended with {result.ExitCode}"}. {UntrustedText.Line(said)}");
        return Parse(said, asked, answered);
    }

    internal static CloneAnswers Parse(string said, DateTimeOffset asked, DateTimeOffset answered)
    {
        var facts = new Dictionary<string, string>();
        foreach (var line in said.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            if (line.IndexOf(' ') is > 0 and var space) facts[UntrustedText.Line(line[..space])] = UntrustedText.Line(line[(space + 1)..]);
        long? clock = facts.Remove(ClockName, out var text) && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var nanoseconds)
            ? nanoseconds
            : null;
        return new(facts, clock, clock is { } at ? Outside(DateTimeOffset.UnixEpoch.AddTicks(at / 100), asked, answered) : TimeSpan.MaxValue);
    }

    private static TimeSpan Outside(DateTimeOffset clock, DateTimeOffset asked, DateTimeOffset answered) =>
        clock < asked ? asked - clock : clock > answered ? clock - answered : TimeSpan.Zero;
}
