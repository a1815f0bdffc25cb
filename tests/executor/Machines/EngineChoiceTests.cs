using RunnerVm.Jobs;
using RunnerVm.Machines;
using Xunit;

namespace RunnerVm.Tests.Executor.Machines;

public sealed class EngineChoiceTests
{
    private static readonly StubEngine Qemu = new("qemu", Isolation.Kernel, new(true, "QEMU 7.2.22, KVM"));
    private static readonly StubEngine Absent = new("qemu", Isolation.Kernel,
        new(false, "", "qemu-system-x86_64 is not in PATH", "Install it: apt-get install qemu-system-x86"));
    private static readonly StubEngine Gvisor = new("gvisor", Isolation.Process, new(true, "runsc 1"));

    [Theory]
    [InlineData("auto")]
    [InlineData("qemu")]
    public async Task An_engine_that_is_there_is_taken_without_a_word(string asked)
    {
        var chosen = await ChooseAsync(asked, Isolation.Kernel, [Qemu]);
        Assert.Same(Qemu, chosen.Engine);
        Assert.Empty(chosen.Notices);
    }

    [Fact]
    public async Task Where_the_named_engine_is_not_there_one_line_says_which_stands_in()
    {
        var chosen = await ChooseAsync("firecracker", Isolation.Kernel, [Qemu]);
        Assert.Equal(
            "Engine firecracker is not on this machine: this version of runnervm has no firecracker engine yet. "
            + "Using qemu (QEMU 7.2.22, KVM), which gives the asked kernel-level isolation.",
            Assert.Single(chosen.Notices));
    }

    [Fact]
    public async Task A_software_processor_is_told_with_the_probes_figure()
    {
        var slow = new StubEngine("qemu", Isolation.Kernel,
            new(true, "QEMU 7.2.22, software CPU (TCG)", Slow: "KVM is emulated (0.7 million)"));
        var chosen = await ChooseAsync("auto", Isolation.Kernel, [slow]);
        Assert.Equal(
            "Engine qemu runs on QEMU 7.2.22, software CPU (TCG), slower than hardware: KVM is emulated (0.7 million).",
            Assert.Single(chosen.Notices));
    }

    [Fact]
    public async Task Less_isolation_than_asked_is_never_given()
    {
        var problem = await Assert.ThrowsAsync<UserException>(() => ChooseAsync("auto", Isolation.Kernel, [Absent, Gvisor]));
        Assert.Equal(ExitCodes.RunnerFailed, problem.ExitCode);
        Assert.Contains("No engine on this machine gives kernel-level isolation.", problem.Message, StringComparison.Ordinal);
        Assert.Contains("qemu: qemu-system-x86_64 is not in PATH. Install it: apt-get install qemu-system-x86.", problem.Message,
            StringComparison.Ordinal);
        Assert.DoesNotContain("gvisor", problem.Message, StringComparison.Ordinal);
        Assert.Same(Gvisor, (await ChooseAsync("auto", Isolation.Process, [Absent, Gvisor])).Engine);
        Assert.Same(Qemu, (await ChooseAsync("auto", Isolation.Process, [Qemu, Gvisor])).Engine);
    }

    [Fact]
    public async Task A_named_engine_that_isolates_less_than_the_job_asks_is_a_contradiction()
    {
        var problem = await Assert.ThrowsAsync<UserException>(() => ChooseAsync("gvisor", Isolation.Kernel, [Qemu, Gvisor]));
        Assert.Equal(ExitCodes.BadFile, problem.ExitCode);
    }

    [Fact]
    public async Task An_unknown_name_lists_the_known_ones()
    {
        var problem = await Assert.ThrowsAsync<UserException>(() => ChooseAsync("qemo", Isolation.Kernel, [Qemu]));
        Assert.Equal("Unknown engine 'qemo'. Known are auto, vmm, firecracker, qemu, gvisor.", problem.Message);
    }

    [Fact]
    public async Task Who_may_not_fall_back_stops()
    {
        var problem = await Assert.ThrowsAsync<UserException>(
            () => new EngineChoice([Absent, Gvisor]).ChooseAsync("qemu", Isolation.Process, mayFallBack: false, default));
        Assert.Equal(
            "Engine qemu is not on this machine: qemu-system-x86_64 is not in PATH. Install it: apt-get install qemu-system-x86.",
            problem.Message);
    }

    private static Task<ChosenEngine> ChooseAsync(string asked, Isolation isolation, IMachineEngine[] engines) =>
        new EngineChoice(engines).ChooseAsync(asked, isolation, mayFallBack: true, default);

    internal sealed class StubEngine(string name, Isolation isolation, EngineAvailability availability) : IMachineEngine
    {
        public string Name => name;

        public Isolation Isolation => isolation;

        public Task<EngineAvailability> CheckAvailabilityAsync(CancellationToken cancellationToken) => Task.FromResult(availability);

        public Task<Machine> StartAsync(MachineSpec spec, CancellationToken cancellationToken) => throw new NotSupportedException();
    }
}
