using System.Diagnostics;
using System.Text.Json;
using RunnerVm.Leases;
using Xunit;

namespace RunnerVm.Tests.Lab;

/// <summary>The lab itself: what all other facts in it stand on.</summary>
public sealed class LabTests(LabFixture lab)
{
    [Fact]
    public async Task KVM_is_real_inside()
    {
        var probe = (await lab.RunAsync("runnervm-vmm --probe")).ExpectExit(0).Output;
        var report = JsonDocument.Parse(probe).RootElement;
        Assert.True(report.GetProperty("real").GetBoolean(), probe);
        Assert.True(report.GetProperty("iterationsPerSecond").GetDouble() > 50e6, probe);
    }

    [Fact]
    public async Task A_machine_that_is_the_lab_has_one_processor_for_the_emulators_sake()
    {
        var place = await lab.LabAsync();
        Assert.SkipUnless(place is MachineLab, "the host itself is the lab: its KVM is the processor's");
        Assert.Equal("1\n", (await lab.RunAsync("nproc")).ExpectExit(0).Output);
    }

    [Fact]
    public async Task Output_errors_and_status_come_out_exactly()
    {
        var result = await lab.RunAsync("""printf 'one\n\0two'; printf 'three' >&2; exit 37""");
        Assert.Equal((37, "one\n\0two", "three"), (result.ExitCode, result.Output, result.Error));
    }

    [Fact]
    public async Task A_script_killed_by_a_signal_is_128_and_the_signal() =>
        (await lab.RunAsync("kill -9 $$")).ExpectExit(128 + 9);

    [Fact]
    public async Task The_distributions_kernel_and_our_images_are_at_hand()
    {
        var result = (await lab.RunAsync("""
            head -c 4 kernel/vmlinux | tail -c 3; echo
            dd if=kernel/vmlinuz bs=1 skip=514 count=4 status=none; echo
            head -c 6 kernel/initramfs.cpio; echo
            blkid -o value -s TYPE root.erofs scratch.ext4
            """)).ExpectExit(0);
        Assert.Equal("ELF\nHdrS\n070701\nerofs\next4\n", result.Output);
    }

    [Fact]
    public async Task Files_go_in_and_come_out()
    {
        var place = await lab.LabAsync();
        var folder = Directory.CreateTempSubdirectory("runnervm-test-");
        try
        {
            var sent = folder.CreateSubdirectory("sent/below");
            await File.WriteAllTextAsync(Path.Combine(sent.FullName, "file"), "to and fro", TestContext.Current.CancellationToken);
            await place.SendAsync(sent.Parent!.FullName, "in", TestContext.Current.CancellationToken);
            (await lab.RunAsync("mkdir -p out && rev in/below/file > out/turned; rm -r in")).ExpectExit(0);
            var back = Path.Combine(folder.FullName, "back");
            await place.ReceiveAsync(["out/*"], back, TestContext.Current.CancellationToken);
            Assert.Equal("orf dna ot", (await File.ReadAllTextAsync(Path.Combine(back, "out", "turned"), TestContext.Current.CancellationToken)).TrimEnd());
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task The_distributions_kernel_boots_under_QEMU_on_the_labs_KVM()
    {
        // Without an initramfs its last word, after all of its drivers, is that it has no root.
        var result = (await lab.RunAsync("""
            timeout 60 qemu-system-x86_64 -M microvm,rtc=on -accel kvm -cpu host -m 256 -nodefaults -no-user-config -nographic -no-reboot \
              -serial stdio -kernel kernel/vmlinux -append "console=ttyS0 reboot=t panic=-1 quiet cryptomgr.notests mitigations=off" </dev/null
            """, TimeSpan.FromSeconds(90))).ExpectExit(0);
        Assert.Contains("Unable to mount root fs", result.Output);
    }

    [Theory]
    [InlineData("printf 'one'; printf 'two' >&2; exit 5", 60, 5, "one", "two")]
    [InlineData("echo begun; exec sleep 600", 1, 124, "begun\n", "stopped after 1 s")]
    public async Task On_the_host_itself_output_status_and_limit_are_the_same(string script, int seconds, int status, string output, string errors)
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "namespaces for the script need root");
        var (result, _) = await CommandAsync("--place", "host", "--timeout", $"{seconds}", "--", "bash", "-c", script);
        result.ExpectExit(status);
        Assert.Equal(output, result.Output);
        Assert.Contains(errors, result.Error);
    }

    [Fact]
    public async Task The_command_passes_output_and_status_on_bounds_its_time_and_leaves_nothing()
    {
        var started = Stopwatch.GetTimestamp();
        var (result, process) = await CommandAsync("--place", "machine", "--timeout", "2", "--", "bash", "-c", "echo \"$0\"; exec sleep 600", "it's up");
        result.ExpectExit(124);
        Assert.Equal("it's up\n", result.Output);
        Assert.Contains("stopped after 2 s", result.Error);
        Assert.True(Stopwatch.GetElapsedTime(started) < TimeSpan.FromMinutes(1));

        // By owner: other labs may be up on this host.
        var left = Directory.GetDirectories(LabPlaces.FromEnvironment().Data.Runs).Select(RunRecord.Read);
        Assert.DoesNotContain(left, record => record?.OwnerPid == process);
    }

    /// <summary>As tests/lab/run, once all is built.</summary>
    private static async Task<(LabResult Result, int Process)> CommandAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, ["--lab", .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var command = Process.Start(start)!;
        var output = command.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        var errors = command.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await command.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (new(command.ExitCode, await output, await errors), command.Id);
    }
}
