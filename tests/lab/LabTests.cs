using System.Diagnostics;
using System.Text.Json;
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
              -serial stdio -kernel kernel/vmlinux -append "console=ttyS0 reboot=t panic=-1 quiet" </dev/null
            """, TimeSpan.FromSeconds(90))).ExpectExit(0);
        Assert.Contains("Unable to mount root fs", result.Output);
    }

    [Fact]
    public async Task The_command_passes_output_and_status_on_bounds_its_time_and_leaves_nothing()
    {
        var program = Environment.ProcessPath!;
        var started = Stopwatch.GetTimestamp();
        var start = new ProcessStartInfo(program, ["--lab", "--place", "machine", "--timeout", "2", "--", "bash", "-c", "echo \"$0\"; exec sleep 600", "it's up"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var command = Process.Start(start)!;
        var errors = command.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        Assert.Equal("it's up\n", await command.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken));
        await command.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(124, command.ExitCode);
        Assert.Contains("stopped after 2 s", await errors);
        Assert.True(Stopwatch.GetElapsedTime(started) < TimeSpan.FromMinutes(1));

        // Ours is the one that may still run.
        var own = await lab.LabAsync() is MachineLab ? 1 : 0;
        Assert.Equal(own, Directory.GetDirectories(LabPlaces.FromEnvironment().Data.Runs).Length);
    }
}
