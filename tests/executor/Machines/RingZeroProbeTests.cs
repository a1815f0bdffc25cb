using RunnerVm.Machines;
using RunnerVm.Store;
using Xunit;

namespace RunnerVm.Tests.Executor.Machines;

/// <summary>The executor's side of the probe, with shell scripts in the program's place.</summary>
public sealed class RingZeroProbeTests : IDisposable
{
    private const string Real =
        """{"kvm":true,"api":12,"iterationsPerSecond":190000000,"real":true,"reason":null,"fix":null,"tscKhz":2596150}""";

    private readonly string _root = Directory.CreateTempSubdirectory("rv").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task An_answer_is_read_and_asked_for_once_only()
    {
        Program($"echo run >> {_root}/runs; echo '{Real}'");
        for (var i = 0; i < 3; i++)
        {
            var result = await Probe().RunAsync(TestContext.Current.CancellationToken);
            Assert.True(result.Real);
            Assert.Equal("190 million iterations/s in guest ring 0", result.Figure);
            Assert.Equal(2_596_150, TimeStampCounter.Khz(result));
        }

        Assert.Equal("run\n", await File.ReadAllTextAsync(Path.Combine(_root, "runs"), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Another_probe_program_is_asked_again()
    {
        Program($"echo '{Real}'");
        Assert.True((await Probe().RunAsync(TestContext.Current.CancellationToken)).Real);
        Program($"echo '{Real.Replace("\"real\":true", "\"real\":false", StringComparison.Ordinal)}'  ");
        Assert.False((await Probe().RunAsync(TestContext.Current.CancellationToken)).Real);
    }

    [Theory]
    [InlineData("exit 3", "ended with status 3 and no answer")]
    [InlineData("echo nonsense", "ended with status 0 and no answer")]
    [InlineData("head -c 1000000 /dev/zero", "ended with status 0 and no answer")]
    [InlineData("sleep 60", "did not end within 5 seconds")]
    public async Task A_probe_that_fails_is_a_KVM_that_is_not_real(string script, string reason)
    {
        Program("exec 2>/dev/null; " + script.Replace("sleep", "exec sleep", StringComparison.Ordinal));
        var result = await Probe().RunAsync(TestContext.Current.CancellationToken);
        Assert.False(result.Real);
        Assert.EndsWith(reason, result.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_program_is_named()
    {
        var result = await Probe().RunAsync(TestContext.Current.CancellationToken);
        Assert.False(result.Kvm);
        Assert.Equal($"the probe {_root}/runnervm-vmm is not there", result.Reason);
    }

    [Theory]
    [InlineData("cpu MHz\t\t: 2596.150", 2_596_150L)]
    [InlineData("cpu MHz\t\t: 0.000", null)]
    [InlineData("cpu MHz\t\t: fast", null)]
    [InlineData("model name\t: x", null)]
    public void The_frequency_in_cpuinfo_is_read_in_kHz(string line, long? khz) =>
        Assert.Equal(khz, TimeStampCounter.FromCpuInfo(["processor\t: 0", line]));

    private RingZeroProbe Probe() => new(_root, new FactCache(new DataDirectory(Path.Combine(_root, "data"))), TimeProvider.System);

    private void Program(string script)
    {
        var path = Path.Combine(_root, RingZeroProbe.Program);
        File.WriteAllText(path, "#!/bin/sh\n" + script + "\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
