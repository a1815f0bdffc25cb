using System.Text.Json;
using RunnerVm.Jobs;
using RunnerVm.Machines;
using RunnerVm.Operate;
using RunnerVm.Store;
using RunnerVm.Tests.Executor.Machines;
using Spectre.Console;
using Xunit;

namespace RunnerVm.Tests.Executor.Operate;

public sealed class DoctorTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("rv").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task Without_an_engine_no_job_can_run_and_each_engine_says_why()
    {
        var report = await Doctor([]).ExamineAsync(TestContext.Current.CancellationToken);
        Assert.Equal((false, ExitCodes.Failed), (report.CanRunJobs, report.ExitCode));
        foreach (var name in EngineChoice.KnownNames)
        {
            var check = report.Checks.Single(check => check.Name == $"engine {name}");
            Assert.Equal(CheckStatus.Missing, check.Status);
            Assert.NotNull(check.Reason);
        }
    }

    [Fact]
    public async Task A_required_check_of_somebody_else_that_is_missing_decides()
    {
        var engine = new EngineChoiceTests.StubEngine("qemu", Isolation.Kernel, new(true, "QEMU 7"));
        var others = new DoctorCheck("kernel", CheckStatus.Missing, "not cached") { Required = true };
        var report = await Doctor([engine], others).ExamineAsync(TestContext.Current.CancellationToken);
        Assert.False(report.CanRunJobs);
        Assert.Same(others, report.Checks[^1]);
    }

    [Fact]
    public void Missing_build_tools_matter_only_while_no_image_is_built()
    {
        var data = new DataDirectory(_root);
        bool Required() => ToolChecks.Run(data, "/nonexistent").Single(check => check.Name == "tool mmdebstrap").Required;
        Assert.True(Required());
        File.WriteAllText(Path.Combine(data.Images, "image"), "");
        Assert.False(Required());
        Assert.All(ToolChecks.Run(data, "/nonexistent"), check => Assert.StartsWith("apt-get install ", check.Fix));
    }

    [Fact]
    public void KVM_is_told_with_its_figure_and_the_fix()
    {
        Assert.Equal("real: 190 million iterations/s in guest ring 0",
            RunnerVm.Operate.Doctor.KvmCheck(new(true, 12, 190e6, true, null, null, 1)).Detail);
        var denied = RunnerVm.Operate.Doctor.KvmCheck(new(false, 0, 0, false,
            "Cannot open /dev/kvm: permission denied (EACCES)", "Add user 'x' to group 'kvm'.", 1));
        Assert.Equal(CheckStatus.Warn, denied.Status);
        Assert.Equal("Cannot open /dev/kvm: permission denied (EACCES). Jobs run on a software CPU without it.", denied.Reason);
        Assert.Equal("Add user 'x' to group 'kvm'.", denied.Fix);
    }

    [Fact]
    public async Task JSON_holds_every_check_in_words()
    {
        var report = await Doctor([]).ExamineAsync(TestContext.Current.CancellationToken);
        using var json = JsonDocument.Parse(DoctorPage.Json(report));
        Assert.False(json.RootElement.GetProperty("canRunJobs").GetBoolean());
        var checks = json.RootElement.GetProperty("checks").EnumerateArray().ToList();
        Assert.Equal(report.Checks.Count, checks.Count);
        Assert.Equal("missing", checks[0].GetProperty("status").GetString());
        Assert.All(checks, check => Assert.False(check.TryGetProperty("required", out _)));
    }

    [Fact]
    public async Task Lines_and_table_show_reason_and_fix_and_survive_markup()
    {
        var report = await Doctor([], new DoctorCheck("odd", CheckStatus.Warn, "[detail]", "[red]reason", "fix[/]"))
            .ExamineAsync(TestContext.Current.CancellationToken);
        var lines = DoctorPage.Lines(report);
        Assert.Contains("warn    odd", lines, StringComparison.Ordinal);
        Assert.Contains("because: [red]reason\n", lines, StringComparison.Ordinal);
        Assert.EndsWith("This machine cannot run jobs yet; see what is missing above.\n", lines, StringComparison.Ordinal);

        using var written = new StringWriter();
        var console = AnsiConsole.Create(new() { Out = new Terminal(written), Interactive = InteractionSupport.Yes });
        DoctorPage.Write(report, console);
        Assert.Contains("[red]reason", written.ToString(), StringComparison.Ordinal);
        Assert.Contains("╭", written.ToString(), StringComparison.Ordinal);
    }

    private Doctor Doctor(IMachineEngine[] engines, params DoctorCheck[] more)
    {
        var data = new DataDirectory(_root);
        var probe = new RingZeroProbe(_root, new FactCache(data), TimeProvider.System);
        return new(engines, probe, data, [.. more.Select(check => (Func<CancellationToken, Task<DoctorCheck>>)(_ => Task.FromResult(check)))]);
    }

    private sealed class Terminal(TextWriter writer) : IAnsiConsoleOutput
    {
        public TextWriter Writer => writer;

        public bool IsTerminal => true;

        public int Width => 120;

        public int Height => 40;

        public void SetEncoding(System.Text.Encoding encoding)
        {
        }
    }
}
