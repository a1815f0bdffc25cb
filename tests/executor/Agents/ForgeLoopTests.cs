using Microsoft.Extensions.Time.Testing;
using RunnerVm.Agents;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Sources;
using Serilog;
using Xunit;

namespace RunnerVm.Tests.Executor.Agents;

/// <summary>Asking goes on whatever happens to it.</summary>
public sealed class ForgeLoopTests
{
    [Fact]
    public async Task An_error_of_our_own_while_asking_or_listening_is_told_and_the_next_question_comes()
    {
        var (time, forge, lines) = (new FakeTimeProvider(), new Unlucky(), new List<string>());
        var log = new LoggerConfiguration().WriteTo.Sink(new Lines(lines)).CreateLogger();
        using var stop = new AgentStop();
        var loop = new ForgeLoop(forge, new(1, new(1, 1024)), stop, log, time).RunAsync();
        while (!forge.AskedAgain.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        stop.Drain();
        await loop.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        lock (lines) Assert.Equal(2, lines.Count(static line => line.Contains("\"unlucky\": an error of the agent's own", StringComparison.Ordinal)));
    }

    private sealed class Unlucky : IForge
    {
        private readonly TaskCompletionSource _again = new();
        private int _asked;

        public Task AskedAgain => _again.Task;

        public string Name => "unlucky";

        public string Fingerprint => "";

        public MachineSize Largest => new(1, 1024);

        public int? Limit => null;

        public TimeSpan Interval => TimeSpan.FromSeconds(1);

        public Task<ForgeCheck> CheckAsync(CancellationToken cancellationToken) => Task.FromResult(new ForgeCheck(true, ""));

        public Task FinishInterruptedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task ListenAsync(Func<int> room, CancellationToken stop) => throw new InvalidOperationException("a mistake");

        public Task<ForgeAnswer> AskAsync(CancellationToken cancellationToken)
        {
            if (_asked++ == 0) throw new InvalidOperationException("a mistake");
            _again.TrySetResult();
            return Task.FromResult<ForgeAnswer>(new ForgeAnswer.Nothing());
        }

        public void Dispose()
        {
        }
    }

    private sealed class Lines(List<string> lines) : Serilog.Core.ILogEventSink
    {
        public void Emit(Serilog.Events.LogEvent logEvent)
        {
            lock (lines) lines.Add(logEvent.RenderMessage(System.Globalization.CultureInfo.InvariantCulture));
        }
    }
}
