using System.Diagnostics;
using RunnerVm.Images;
using Xunit;

namespace RunnerVm.Tests.Executor.Images;

public sealed class KernelStoreTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>One fetch for the facts of this class that need the real package.</summary>
    [Fact]
    public async Task The_distributions_kernel_is_fetched_once_and_costs_nothing_afterwards()
    {
        using var scratch = new Scratch();
        var store = new KernelStore(scratch.Data, TimeProvider.System);
        Assert.Null(store.Current);
        var reports = new Reports();
        Kernel[] kernels;
        try
        {
            var watch = Stopwatch.StartNew();
            // Two at once: one fetches, the other waits and uses what it got.
            kernels = await Task.WhenAll(
                store.GetAsync(false, reports, Token), new KernelStore(scratch.Data, TimeProvider.System).GetAsync(false, reports, Token));
            TestContext.Current.SendDiagnosticMessage($"kernel fetched and unpacked in {watch.ElapsedMilliseconds} ms");
        }
        catch (UserException e) when (e.Message.Contains("apt", StringComparison.Ordinal))
        {
            Assert.Skip("no package archive can be reached: " + e.Message);
            return;
        }

        Assert.Equal(kernels[0].Path, kernels[1].Path);
        Assert.Single(reports.All, report => report.Text.StartsWith("downloading", StringComparison.Ordinal));
        Assert.Single(reports.All, report => report.Text.Contains("waiting", StringComparison.Ordinal));
        var names = kernels[0].Modules.Select(path => Path.GetFileName(path)[4..]).ToList();
        Assert.True(names.IndexOf("virtio_ring.ko") < names.IndexOf("virtio_mmio.ko"), string.Join(' ', names));
        Assert.True(names.IndexOf("libcrc32c.ko") < names.IndexOf("erofs.ko"), string.Join(' ', names));
        Assert.Contains("virtio_blk.ko", names);
        Assert.Contains("overlay.ko", names);
        Assert.True(ElfFile.IsX64(File.ReadAllBytes(kernels[0].Path).AsSpan(0, 64)));
        Assert.Equal(kernels[0].Path, Kernel.FromFile(kernels[0].Path).Path);
        Assert.Empty(Directory.GetDirectories(scratch.Data.Kernels, ".*"));

        var again = Stopwatch.StartNew();
        var second = await store.GetAsync(false, reports, Token);
        Assert.Equal(kernels[0].Path, second.Path);
        TestContext.Current.SendDiagnosticMessage($"second use of the kernel: {again.Elapsed.TotalMilliseconds:F1} ms");
        Assert.True(again.ElapsedMilliseconds < 100);
        TestContext.Current.SendDiagnosticMessage(string.Join(' ', second.Modules.Select(path => Path.GetFileName(path) + ":" + new FileInfo(path).Length)));
    }

    [Fact]
    public void The_real_package_behind_the_meta_package_is_found()
    {
        const string depends = "linux-image-cloud-amd64\n  Depends: linux-image-6.12.9-cloud-amd64 (= 6.12.9-1)\n  Breaks: other\n";
        Assert.Equal("linux-image-6.12.9-cloud-amd64", KernelPackage.RealPackage(depends));
        Assert.Null(KernelPackage.RealPackage("linux-image-cloud-amd64\n"));
    }

    [Fact]
    public void A_kernel_that_is_no_elf_file_is_refused_with_what_to_do()
    {
        using var scratch = new Scratch();
        File.WriteAllText(scratch["vmlinuz"], "MZ and so on, a boot image");
        var error = Assert.Throws<UserException>(() => Kernel.FromFile(scratch["vmlinuz"]));
        Assert.Contains("extract-vmlinux", error.Message, StringComparison.Ordinal);
        Assert.Throws<UserException>(() => Kernel.FromFile(scratch["absent"]));
    }
}
