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
    public async Task An_error_of_our_own_while_asking_or_listening_is_told_and_both_begin_again()
    {
        var (time, forge, lines) = (new FakeTimeProvider(), new Unlucky(), new List<string>());
        var log = new LoggerConfiguration().WriteTo.Sink(new Lines(lines)).CreateLogger();
        using var stop = new AgentStop();
        var loop = new ForgeLoop(forge, new(1, new(1, 1024)), stop, log, time).RunAsync();
        while (!forge.AskedAgain.IsCompleted || forge.Listened < 3)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        stop.Drain();
        await loop.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        lock (lines) Assert.Contains(lines, static line => line.Contains("\"unlucky\": an error of the agent's own while it asked", StringComparison.Ordinal));
        lock (lines) Assert.Contains(lines, static line => line.Contains("\"unlucky\": an error of the agent's own while it listened", StringComparison.Ordinal) && line.EndsWith("it listens again in 30 s", StringComparison.Ordinal));
        lock (lines) Assert.Contains(lines, static line => line.EndsWith("it listens again in 60 s", StringComparison.Ordinal));
        Assert.Equal(3, forge.Listened);
    }

    private sealed class Unlucky : IForge
    {
        private readonly TaskCompletionSource _again = new();
        private int _asked;
        private int _listened;

        /// <summary>So often; the third time lasts.</summary>
        public int Listened => Volatile.Read(ref _listened);

        public Task AskedAgain => _again.Task;

        public string Name => "unlucky";

        public string Fingerprint => "";

        public MachineSize Largest => new(1, 1024);

        public int? Limit => null;

        public TimeSpan Interval => TimeSpan.FromSeconds(1);

        public Task<ForgeCheck> CheckAsync(CancellationToken cancellationToken) => Task.FromResult(new ForgeCheck(true, ""));

        public Task FinishInterruptedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public async Task ListenAsync(Func<int> room, CancellationToken stop)
        {
            if (Interlocked.Increment(ref _listened) < 3) throw new InvalidOperationException("a mistake");
            await Task.Delay(Timeout.Infinite, stop);
        }

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
