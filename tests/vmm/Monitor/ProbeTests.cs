using System.Diagnostics;
using System.Text;
using System.Text.Json;
using RunnerVm.Vmm.Monitor.Probe;
using RunnerVm.Vmm.Native.Time;
using Xunit;

namespace RunnerVm.Tests.Vmm.Monitor;

public sealed class ProbeTests
{
    [Fact]
    public void A_probe_ends_whatever_KVM_does_and_prints_one_line()
    {
        var watch = Stopwatch.StartNew();
        var line = Encoding.UTF8.GetString(ProbeCommand.Run());
        // It waits two seconds for KVM at most; how long it gets no processor is the host's business.
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(30), $"{watch.Elapsed}");
        Assert.Equal(line.Length - 1, line.IndexOf('\n', StringComparison.Ordinal));
        using var report = JsonDocument.Parse(line);
        Assert.Equal(["kvm", "api", "iterationsPerSecond", "real", "reason", "fix", "tscKhz"], report.RootElement.EnumerateObject().Select(static member => member.Name));
        Assert.Equal(report.RootElement.GetProperty("real").GetBoolean(), report.RootElement.GetProperty("reason").ValueKind == JsonValueKind.Null);
        Assert.InRange(report.RootElement.GetProperty("tscKhz").GetInt64(), 100_000, 20_000_000);
    }

    [Fact]
    public void Where_there_is_a_KVM_the_loop_runs_in_guest_ring_0()
    {
        if (!File.Exists("/dev/kvm")) Assert.Skip("There is no /dev/kvm.");
        var report = RingZeroProbe.Run();
        if (!report.Kvm) Assert.Skip(report.Reason!);
        Assert.Equal(12, report.Api);
        Assert.True(report.IterationsPerSecond > 10_000, $"{report}");
        Assert.Equal(report.IterationsPerSecond > RingZeroProbe.RealAbove, report.Real);
    }

    [Theory]
    [InlineData(49e6, false)]
    [InlineData(51e6, true)]
    public void Above_fifty_million_it_is_real(double speed, bool real)
    {
        var report = ProbeReport.Ran(12, speed);
        Assert.Equal(real, report.Real);
        Assert.Equal(real, report.Reason is null && report.Fix is null);
    }

    [Fact]
    public void The_time_stamp_counter_runs_forward()
    {
        using var counter = new TimeStampCounter();
        var first = counter.Sample();
        var second = counter.Sample();
        Assert.True(second.Ticks > first.Ticks);
        Assert.True(second.Nanoseconds > first.Nanoseconds);
    }
}
