using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Logs;
using RunnerVm.Sources.GitHub.Hooks;
using RunnerVm.Sources.GitHub.Runners;
using RunnerVm.Tests.Executor.Jobs;
using RunnerVm.Tests.GuestProtocol;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitHub;

public sealed class RunnerHooksTests
{
    private const int Timeout = 60_000;

    [Fact(Timeout = Timeout)]
    public async Task A_job_is_identified_once_and_its_steps_are_the_logs_and_the_audits()
    {
        await using var bench = await Bench.StartAsync();
        Assert.Equal(0, await bench.ReportAsync("job-started", "acme/app", "900", "1", "ci", "build"));
        Assert.Equal(1, await bench.ReportAsync("job-started", "evil/app", "1", "1", "ci", "build"));
        await bench.ReportAsync("step", "Processing step: DisplayName='Compile'");
        Assert.Equal((1, "Compile"), (bench.Log.CurrentStep!.Index, bench.Log.CurrentStep.Name));
        await bench.ReportAsync("step", "Update job result with current step result 'Failed'.");
        await bench.ReportAsync("step", "Processing step: DisplayName='Test'");
        await bench.ReportAsync("step", "No need for updating job result with current step result 'Skipped'.");
        Assert.Equal(0, await bench.ReportAsync("job-completed"));

        Assert.Equal(("acme/app run 900, build", 1), (bench.Runner.Job!.ToString(), bench.Told));
        Assert.Equal(["Compile: 1, failed", "Test: skipped"], bench.Sink.Events.Select(static e => e switch
        {
            JobEvent.StepFinished f => $"{f.Name}: {f.ExitCode}, {f.Diagnosis}",
            JobEvent.StepSkipped s => $"{s.Name}: skipped",
            _ => null,
        }).OfType<string>());
    }

    [Fact(Timeout = Timeout)]
    public async Task What_it_does_not_know_is_refused_and_a_flood_is_no_longer_listened_to()
    {
        await using var bench = await Bench.StartAsync();
        foreach (var words in (string[][])[[], ["job-started"], ["step", "echo hello"], ["rm", "-rf", "/"]]) Assert.Equal(1, await bench.ReportAsync(words));
        for (var i = 0; i < 4200; i++) await bench.ReportAsync("step", $"Processing step: DisplayName='{i}'");
        Assert.Equal(1, await bench.ReportAsync("job-completed"));
        Assert.InRange(bench.Sink.Events.Count, 4000, 10_000);
    }

    [Fact(Timeout = Timeout)]
    public async Task After_the_runners_end_a_step_that_was_open_is_over_and_no_other_begins()
    {
        await using var bench = await Bench.StartAsync();
        await bench.ReportAsync("step", "Processing step: DisplayName='Hang'");
        await bench.Hooks.EndAsync("Canceled");
        Assert.Equal(1, await bench.ReportAsync("step", "Processing step: DisplayName='Late'"));
        Assert.Null(bench.Log.CurrentStep);
        Assert.Equal("canceled", Assert.IsType<JobEvent.StepFinished>(bench.Sink.Events[^1]).Diagnosis);
    }

    [Fact(Timeout = Timeout)]
    public async Task The_runners_logs_are_kept_without_what_would_act_on_a_terminal_and_without_secrets_and_no_longer_than_they_may_be()
    {
        var large = new string('x', 4 << 20) + "\nthe end\n";
        var (mode, text) = await KeepAsync(("_diag/Runner_1.log", "a line\nwith \u001b[31mred\u001b[0m and the-secret\n"), ("_diag/Worker_1.log", large));
        Assert.StartsWith("== _diag/Runner_1.log\na line\nwith [31mred[0m and ***\n== _diag/Worker_1.log\n(the first ", text);
        Assert.EndsWith("the end\n", text);
        Assert.InRange(text.Length, 1 << 20, 3 << 20);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, mode);
    }

    [Fact(Timeout = Timeout)]
    public async Task More_logs_than_any_runner_writes_are_refused()
    {
        var many = Enumerable.Range(0, 40).Select(static i => ($"_diag/{i}.log", "x")).ToArray();
        await Assert.ThrowsAsync<ProtocolException>(() => KeepAsync(many));
    }

    private static async Task<(UnixFileMode Mode, string Text)> KeepAsync(params (string Name, string Content)[] files)
    {
        await using var machine = new FakeMachine(new ScriptedAgent { OnTarOut = (channel, _) => ScriptedAgent.SendAsync(channel, ScriptedAgent.Archive(files)) }.RunAsync);
        await using var guest = await GuestSession.ConnectAsync(machine.GuestStream, static (_, _) => Task.CompletedTask, TestContext.Current.CancellationToken);
        var path = Path.Join(Path.GetTempPath(), $"runnervm-kept-{Guid.NewGuid():N}");
        Assert.True(await new RunnerDiagnostics("/opt/actions-runner", static text => text.Replace("the-secret", "***", StringComparison.Ordinal)).KeepAsync(guest, path, TestContext.Current.CancellationToken));
        var kept = (File.GetUnixFileMode(path), await File.ReadAllTextAsync(path));
        File.Delete(path);
        return kept;
    }

    /// <summary>The host's hooks at one end of a stream, a guest that calls them at the other.</summary>
    private sealed class Bench : IAsyncDisposable
    {
        private readonly GuestSession _host;
        private readonly GuestConnection _guest;

        private Bench(Stream host, Stream guest)
        {
            Sink = new();
            Log = new(Sink, new SecretMasker([]), TimeProvider.System);
            var fleet = new RunnerFleet("rvm-", TimeProvider.System);
            fleet.Want(1);
            Runner = fleet.TryBegin()!;
            Hooks = new(Runner, Log, TimeProvider.System) { Identified = () => Told++ };
            var opening = GuestConnection.OpenAsync(guest, Role.Guest, "test", CancellationToken.None);
            _host = GuestSession.ConnectAsync(host, Hooks.ServeAsync, CancellationToken.None).GetAwaiter().GetResult();
            _guest = opening.GetAwaiter().GetResult();
        }

        public RecordingSink Sink { get; }

        public JobLog Log { get; }

        public FleetRunner Runner { get; }

        public RunnerHooks Hooks { get; }

        public int Told { get; private set; }

        public static Task<Bench> StartAsync()
        {
            var (host, guest) = DuplexPair.Create();
            return Task.Run(() => new Bench(host, guest));
        }

        public async Task<int> ReportAsync(params string[] arguments)
        {
            await using var channel = _guest.Open(ChannelKind.Errand, []);
            await channel.WriteAsync(Messages.Write(new ErrandRequest { Arguments = arguments, Folder = "/" }, Messages.Default.ErrandRequest));
            channel.End();
            return Messages.Read(await channel.Result, Messages.Default.ErrandResult).ExitCode;
        }

        public async ValueTask DisposeAsync()
        {
            await _guest.DisposeAsync();
            await _host.DisposeAsync();
            Runner.Dispose();
        }
    }
}
