using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Tmds.Linux;
using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>Machines that wait: <c>runnervm pool</c> beside <c>runnervm exec --pool</c>.</summary>
public sealed partial class PoolTests(SnapshotHome home) : IClassFixture<SnapshotHome>
{
    private const string Who = """
        job:
          workspace: none
          script: ["head -c 16 /dev/urandom | od -An -tx8", "cat /proc/sys/kernel/random/boot_id; hostname"]
        """;

    [Fact]
    public async Task Jobs_take_machines_that_waited_each_its_own_and_the_pool_is_full_again()
    {
        var (jobs, waiting) = Runner.Soak ? (50, 4) : (3, 1);
        using (var pool = await PoolProcess.StartAsync(home, waiting))
        {
            var said = new HashSet<string>();
            var milliseconds = new List<double>();
            for (var job = 0; job < jobs; job++)
            {
                await pool.WaitUntilFullAsync();
                var done = (await home.ExecAsync(Who, "--pool", "--json")).ExpectExit(0);
                Assert.True(done.Events.Single(static e => e.GetProperty("event").GetString() == "machineReady").GetProperty("restored").GetBoolean());
                milliseconds.Add(TakenIn(done));
                foreach (var line in Output(done)) Assert.True(said.Add(line), $"two machines said {line}");
            }

            TestContext.Current.TestOutputHelper?.WriteLine($"taken in {string.Join(", ", milliseconds.Select(static m => m.ToString("0.0", CultureInfo.InvariantCulture)))} ms");
            await pool.StopAsync();
        }

        home.AssertNothingLeft();
    }

    [Fact]
    public async Task A_machine_of_the_pool_ends_with_its_job_and_a_killed_pool_leaves_nothing_after_the_next_command()
    {
        using var pool = await PoolProcess.StartAsync(home, 1);
        await pool.WaitUntilFullAsync();
        using var job = home.Start("job: {workspace: none, script: [echo started, sleep 1000]}", "--pool");
        await job.WaitForOutputAsync("started");
        job.Kill();
        await pool.WaitUntilFullAsync();
        await NoMoreThanAsync(1);

        pool.Kill();
        await NoMoreThanAsync(0);
        var done = (await home.ExecAsync("job: {workspace: none, script: [echo hello]}", "--pool")).ExpectExit(0);
        Assert.Equal("hello", done.Output.TrimEnd().Split('\n')[^1]);
        Assert.Contains("Swept what was left of job pool", done.Error);
        Assert.Contains("No machine of this kind waits", done.Error);
        home.AssertNothingLeft();
    }

    [Fact]
    public async Task A_second_pool_is_told_that_one_runs()
    {
        using var pool = await PoolProcess.StartAsync(home, 1);
        await pool.WaitUntilFullAsync();
        Assert.Contains("it runs there already", (await home.RunAsync(["pool", "--engine", "qemu", .. SnapshotHome.Kind])).ExpectExit(121).Error);
        await pool.StopAsync();
        home.AssertNothingLeft();
    }

    private async Task NoMoreThanAsync(int machines)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (SnapshotHome.Machines(home.Path).Count > machines) await tick.WaitForNextTickAsync(deadline.Token);
    }

    private static double TakenIn(Finished done) => double.Parse(
        Taken().Match(done.Output) is { Success: true } match ? match.Groups[1].Value : throw new InvalidOperationException($"no machine was taken from the pool\n{done.Output}"),
        CultureInfo.InvariantCulture);

    private static IEnumerable<string> Output(Finished done) => string.Concat(done.Events
        .Where(static e => e.GetProperty("event").GetString() == "output" && e.GetProperty("stream").GetString() == "stdout")
        .Select(static e => e.GetProperty("text").GetString())).Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(static l => !l.StartsWith('$'));

    [GeneratedRegex(@"waited was taken in ([0-9.]+) ms")]
    private static partial Regex Taken();

    /// <summary>A pool that runs, watched by what it says.</summary>
    private sealed class PoolProcess : IDisposable
    {
        private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

        private readonly SnapshotHome _home;
        private readonly int _waiting;
        private readonly Process _process;

        private PoolProcess(SnapshotHome home, int waiting, Process process) => (_home, _waiting, _process) = (home, waiting, process);

        public static async Task<PoolProcess> StartAsync(SnapshotHome home, int waiting)
        {
            var process = Runner.Start(home.Path, ["pool", "--warm", $"{waiting}", "--engine", "qemu", .. SnapshotHome.Kind], home.Environment());
            process.StandardInput.Close();
            _ = process.StandardOutput.ReadToEndAsync();
            var pool = new PoolProcess(home, waiting, process);
            using var limit = new CancellationTokenSource(Limit);
            while (await process.StandardError.ReadLineAsync(limit.Token) is { } line)
            {
                if (!line.EndsWith($"{waiting} wait.", StringComparison.Ordinal)) continue;
                _ = process.StandardError.ReadToEndAsync();
                return pool;
            }

            pool.Dispose();
            throw new InvalidOperationException("the pool ended before a machine waited");
        }

        /// <summary>So many engines have their disks open: a machine that waits has lost the name of its scratch disk.</summary>
        public async Task WaitUntilFullAsync()
        {
            using var limit = new CancellationTokenSource(Limit);
            using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
            while (Records() < _waiting) await tick.WaitForNextTickAsync(limit.Token);
        }

        public async Task StopAsync()
        {
            Assert.Equal(0, LibC.kill(_process.Id, LibC.SIGTERM));
            using var limit = new CancellationTokenSource(Limit);
            await _process.WaitForExitAsync(limit.Token);
            Assert.Equal(0, _process.ExitCode);
        }

        public void Kill()
        {
            _process.Kill();
            _process.WaitForExit();
        }

        public void Dispose()
        {
            if (!_process.HasExited) Kill();
            _process.Dispose();
        }

        /// <summary>Runs of waiting machines that know their engine, which they do once it is restored.</summary>
        private int Records() => Directory.GetDirectories(_home.Runs).Count(static folder =>
        {
            try
            {
                var text = File.ReadAllText(Path.Combine(folder, "run.json"));
                return text.Contains("\"warm-", StringComparison.Ordinal) && text.Contains("\"booting\"", StringComparison.OrdinalIgnoreCase);
            }
            catch (IOException)
            {
                return false;
            }
        });
    }
}
