using System.Diagnostics;
using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Images;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Logs;
using RunnerVm.Machines;
using RunnerVm.Store;

namespace RunnerVm.Benchmarks;

/// <summary>
/// A line goes into a machine, through cat, and comes back: an upper bound on the way of a log line from the guest's write
/// to the host, since host and guest share no clock.
/// </summary>
internal static class LatencyBenchmark
{
    private const int Lines = 500;

    public static void Run(BenchmarkReport report) => RunAsync(report).GetAwaiter().GetResult();

    private static async Task RunAsync(BenchmarkReport report)
    {
        Environment.SetEnvironmentVariable("RUNNERVM_ROOT", BuiltProgram.Root);
        var data = DataDirectory.FromEnvironment();
        var layout = InstallLayout.FromEnvironment();
        await using var log = new JobLog(new Silence(), new SecretMasker([]), TimeProvider.System);
        var job = new Job { Id = "latency", Name = "latency", Image = "debian-12", Steps = [] };
        var files = await new MachineFileStore(data, layout, TimeProvider.System).PrepareAsync(job, log, CancellationToken.None);
        await using var lease = new RunLedger(data, TimeProvider.System).Take(job.Id);
        var scratch = Path.Join(lease.Directory, "scratch");
        await new ScratchDisks(data, TimeProvider.System).CreateAsync(scratch, job.Machine.DiskBytes, CancellationToken.None);
        var engine = await new Engines(data, layout, TimeProvider.System).Choice.ChooseAsync(EngineChoice.Auto, Isolation.Kernel, mayFallBack: true, CancellationToken.None);
        await using var machine = await engine.Engine.StartAsync(
            new()
            {
                Id = job.Id,
                RunDirectory = lease.Directory,
                KernelPath = files.Kernel,
                InitramfsPath = files.Initramfs,
                RootImagePath = files.RootImage,
                ScratchDiskPath = scratch,
                Cpus = 1,
                MemoryMib = 512,
            },
            CancellationToken.None);
        await using var connection = await GuestConnection.OpenAsync(machine.GuestStream, Role.Host, "benchmark", CancellationToken.None);
        await using (var thaw = connection.Open(ChannelKind.Thaw, GuestIdentity.For(job, TimeProvider.System).ToPayload())) await thaw.Result;

        var request = new ExecRequest { Candidates = [["cat"]], Environment = [], Input = true };
        await using var cat = connection.Open(ChannelKind.Exec, request.ToPayload());
        var times = new Sample();
        for (var i = 0; i < Lines; i++)
        {
            var started = Stopwatch.GetTimestamp();
            await cat.WriteAsync("an ordinary line of a log, with some words in it\n"u8.ToArray());
            _ = await cat.ReadAsync();
            // The first ones find everything cold.
            if (i >= 20) times.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        }

        report.Figure($"log line there and back again, median of {Lines - 20}", times.Median, "ms");
        report.Figure("log line there and back again, p99", times.Percentile(99), "ms", 20, higherIsBetter: false);
    }

    private sealed class Silence : IJobSink
    {
        public ValueTask WriteAsync(JobEvent jobEvent, CancellationToken cancellationToken) => ValueTask.CompletedTask;
    }
}
