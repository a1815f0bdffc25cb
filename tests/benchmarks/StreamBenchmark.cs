using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Jobs;
using RunnerVm.Logs;

namespace RunnerVm.Benchmarks;

/// <summary>
/// A log on its whole way through the host: socket, frames, credit, masking, sink. The sending guest is in this process
/// too and costs its share, so the host alone is faster than the figure.
/// </summary>
internal static class StreamBenchmark
{
    private const long Bytes = 1_000_000_000;

    public static void Run(BenchmarkReport report) => RunAsync(report).GetAwaiter().GetResult();

    private static async Task RunAsync(BenchmarkReport report)
    {
        var rates = new Sample();
        for (var round = 0; round < 4; round++)
        {
            var rate = await MeasureAsync();
            if (round > 0) rates.Add(rate);
        }

        report.Figure("log through stream and masking with 3 secrets, wall, median of 3", rates.Median, "MB/s", 200);
    }

    private static async Task<double> MeasureAsync()
    {
        var path = Path.Combine(Path.GetTempPath(), $"runnervm-bench-{Environment.ProcessId}");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        var near = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await near.ConnectAsync(new UnixDomainSocketEndPoint(path));
        var far = await listener.AcceptAsync();
        File.Delete(path);

        var guest = Task.Run(() => PlayGuestAsync(new NetworkStream(far, ownsSocket: true)));
        var session = await GuestSession.ConnectAsync(new NetworkStream(near, ownsSocket: true), static (_, _) => Task.CompletedTask, CancellationToken.None);
        var counter = new CountingSink();
        await using var log = new JobLog(counter, new SecretMasker(["correct-horse-battery", "ghp_0123456789abcdef", "hunter2hunter2"]), TimeProvider.System);
        using var stop = new StopRequest(TimeProvider.System, TimeSpan.FromSeconds(10));
        var watch = Stopwatch.StartNew();
        await session.ExecAsync(new() { Candidates = [], Environment = [] }, (stream, bytes) => log.OutputAsync(0, stream, bytes), stop);
        watch.Stop();
        await session.DisposeAsync();
        await guest;
        if (counter.Bytes != Bytes) throw new InvalidOperationException($"{counter.Bytes} of {Bytes} bytes arrived");
        return Bytes / 1e6 / watch.Elapsed.TotalSeconds;
    }

    private static async Task PlayGuestAsync(Stream stream)
    {
        await using var connection = await GuestConnection.OpenAsync(stream, Role.Guest, "benchmark", CancellationToken.None);
        var line = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Range(0, 800).Select(static i => $"[{i:D4}] src/project/file{i}.cs(10,4): warning: something ordinary happened\n")));
        await foreach (var channel in connection.AcceptAsync(CancellationToken.None))
        {
            for (long sent = 0; sent < Bytes;)
            {
                var piece = line.AsMemory(0, (int)Math.Min(line.Length, Bytes - sent));
                await channel.WriteAsync(piece);
                sent += piece.Length;
            }

            channel.Close(new ExecResult { ExitCode = 0 }.ToPayload());
            await connection.Completion;
            return;
        }
    }

    private sealed class CountingSink : IJobSink
    {
        public long Bytes { get; private set; }

        public ValueTask WriteAsync(JobEvent jobEvent, CancellationToken cancellationToken)
        {
            if (jobEvent is JobEvent.Output output) Bytes += output.Bytes.Length;
            return ValueTask.CompletedTask;
        }
    }
}
