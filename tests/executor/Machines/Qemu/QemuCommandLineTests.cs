using RunnerVm.Machines;
using RunnerVm.Machines.Qemu;
using Xunit;

namespace RunnerVm.Tests.Executor.Machines.Qemu;

public sealed class QemuCommandLineTests
{
    private static readonly MachineSpec Spec = new()
    {
        Id = "j,1",
        RunDirectory = "/r",
        KernelPath = "/k",
        InitramfsPath = "/i",
        RootImagePath = "/images/a,b",
        ScratchDiskPath = "/r/scratch",
        Cpus = 3,
        MemoryMib = 2048,
        KernelArguments = ["one=1"],
    };

    [Fact]
    public void There_is_no_network_device_and_nothing_of_QEMUs_defaults()
    {
        var line = Build(QemuAcceleration.Tcg(2_500_000));
        Assert.Contains("-nodefaults", line);
        Assert.Contains("-no-user-config", line);
        Assert.DoesNotContain(line, word => word.Contains("net", StringComparison.Ordinal));
        Assert.Equal(
            ["virtio-serial-device,max_ports=2", "virtserialport,chardev=agent,name=org.runnervm.agent", "virtio-blk-device,drive=root,serial=runnervm-root",
                "virtio-blk-device,drive=scratch,serial=runnervm-scratch"],
            line.Where((_, i) => i > 0 && line[i - 1] == "-device"));
    }

    [Fact]
    public void A_comma_in_a_name_does_not_end_an_option()
    {
        var line = Build(QemuAcceleration.Tcg(2_500_000));
        Assert.Contains(line, word => word.Contains("filename=/images/a,,b,", StringComparison.Ordinal));
        Assert.Contains("guest=runnervm-j,,1,process=runnervm-j,,1", line);
    }

    [Fact]
    public void The_software_processors_kernel_is_told_the_counters_frequency_and_KVMs_is_not()
    {
        Assert.Equal(
            "console=ttyS0 quiet panic=-1 reboot=t cryptomgr.notests rcupdate.rcu_expedited=1 tsc_early_khz=2500000 tsc=reliable psi=0 nowatchdog mitigations=off lsm=landlock,yama one=1",
            After(Build(QemuAcceleration.Tcg(2_500_000)), "-append"));
        Assert.Equal(
            "console=ttyS0 quiet panic=-1 reboot=t cryptomgr.notests rcupdate.rcu_expedited=1 one=1",
            After(Build(QemuAcceleration.Kvm(archCapabilities: true)), "-append"));
    }

    [Fact]
    public void The_software_processor_is_not_offered_what_only_real_ones_do_fast() =>
        Assert.Equal("max,-erms,-fsrm,-la57,-smap", After(Build(QemuAcceleration.Tcg(2_500_000)), "-cpu"));

    [Theory]
    [InlineData("flags\t\t: fpu arch_capabilities sse", "host")]
    [InlineData("flags\t\t: fpu sse", "host,arch-capabilities=off")]
    [InlineData("processor\t: 0", "host,arch-capabilities=off")]
    public void Under_KVM_the_guest_has_the_register_the_host_has(string cpuInfo, string cpu)
    {
        var acceleration = QemuAcceleration.Kvm(QemuAcceleration.HasArchCapabilities([cpuInfo]));
        Assert.Equal(cpu, After(Build(acceleration), "-cpu"));
    }

    private static IReadOnlyList<string> Build(QemuAcceleration acceleration) =>
        QemuCommandLine.Build(Spec, acceleration, "/r/agent", "/r/qmp");

    private static string After(IReadOnlyList<string> line, string option) => line[line.ToList().IndexOf(option) + 1];
}
