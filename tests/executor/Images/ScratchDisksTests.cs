using System.Diagnostics;
using RunnerVm.Images;
using Xunit;

namespace RunnerVm.Tests.Executor.Images;

public sealed class ScratchDisksTests
{
    private const long TwentyGib = 20L << 30;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_disk_is_a_clean_ext4_of_the_asked_size_that_costs_the_host_next_to_nothing()
    {
        using var scratch = new Scratch();
        var disks = new ScratchDisks(scratch.Data, TimeProvider.System);
        await disks.CreateAsync(scratch["first"], TwentyGib, Token);
        var watch = Stopwatch.StartNew();
        await disks.CreateAsync(scratch["second"], TwentyGib, Token);
        TestContext.Current.SendDiagnosticMessage($"scratch disk from template: {watch.Elapsed.TotalMilliseconds:F1} ms");

        Assert.Equal(TwentyGib, new FileInfo(scratch["second"]).Length);
        var blocks = await Tool.RunAsync("stat", ["-c", "%b", scratch["second"]], new(), Token);
        Assert.InRange(long.Parse(blocks) * 512, 1, 16 << 20);
        // -f: even though it looks clean; -n: change nothing. Another status than 0 throws.
        await Tool.RunAsync("e2fsck", ["-f", "-n", scratch["second"]], new(), Token);
        var label = await Tool.RunAsync("e2label", [scratch["second"]], new(), Token);
        Assert.Equal("scratch", label.Trim());
    }

    [Fact]
    public async Task A_disk_too_small_for_a_file_system_is_refused_in_a_sentence()
    {
        using var scratch = new Scratch();
        var error = await Assert.ThrowsAsync<UserException>(
            () => new ScratchDisks(scratch.Data, TimeProvider.System).CreateAsync(scratch["disk"], 1 << 20, Token));
        Assert.Contains("at least 64 MiB", error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(scratch["disk"]));
    }

    [Fact]
    public async Task A_full_host_disk_is_told_in_a_sentence_and_leaves_nothing()
    {
        if (!Environment.IsPrivilegedProcess) Assert.Skip("mounting a small file system to fill needs root");
        using var scratch = new Scratch();
        var small = Directory.CreateDirectory(scratch["small"]).FullName;
        var mount = await TryMountAsync(small);
        if (mount is not null) Assert.Skip("cannot mount a tmpfs here: " + mount);
        try
        {
            var path = Path.Combine(small, "disk");
            var error = await Assert.ThrowsAsync<UserException>(
                () => new ScratchDisks(scratch.Data, TimeProvider.System).CreateAsync(path, TwentyGib, Token));
            Assert.Contains("disk is full", error.Message, StringComparison.Ordinal);
            Assert.Empty(Directory.GetFiles(small));
        }
        finally
        {
            await Tool.RunAsync("umount", [small], new(), CancellationToken.None);
        }
    }

    private static async Task<string?> TryMountAsync(string folder)
    {
        try
        {
            await Tool.RunAsync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], new(), Token);
            return null;
        }
        catch (UserException e)
        {
            return e.Message;
        }
    }
}
