using System.Security.Cryptography;
using System.Text;
using RunnerVm.Images;

namespace RunnerVm.Tests.Lab;

/// <summary>The initramfs of test guests: guest/init.c as /init, and the drivers of all our devices.</summary>
internal static class LabGuest
{
    private static readonly string[] Drivers = ["virtio_mmio", "virtio_blk", "virtio_net", "virtio_balloon", "virtio_rng", "vmw_vsock_virtio_transport", "af_packet"];

    /// <returns>The cpio; built beside the kernel where the same source has not been built before.</returns>
    /// <param name="kernelFolder">See <see cref="LabKernel"/>.</param>
    /// <param name="source">init.c.</param>
    /// <exception cref="UserException">gcc is missing or says no.</exception>
    public static async Task<string> GetAsync(string kernelFolder, string source, CancellationToken cancellationToken)
    {
        var inputs = SHA256.HashData([.. await File.ReadAllBytesAsync(source, cancellationToken), .. Encoding.UTF8.GetBytes(string.Join(' ', Drivers))]);
        var path = Path.Combine(kernelFolder, $"guest-{Convert.ToHexStringLower(inputs)[..12]}.cpio");
        if (File.Exists(path)) return path;

        var folder = Directory.CreateTempSubdirectory("runnervm-lab-");
        try
        {
            var init = Path.Combine(folder.FullName, "init");
            await Tool.RunAsync(
                "gcc", ["-static", "-O2", "-Wall", "-Wextra", "-Werror", "-o", init, source], new() { Attempt = "build the test guest" }, cancellationToken);
            var cpio = Path.Combine(kernelFolder, $".{folder.Name}.cpio");
            await using (var output = File.Create(cpio))
                InitramfsStore.Write(output, await File.ReadAllBytesAsync(init, cancellationToken), Modules(kernelFolder));
            File.Move(cpio, path, overwrite: true);
            return path;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>In load order.</summary>
    private static List<string> Modules(string kernelFolder)
    {
        var files = Directory.GetFiles(Path.Combine(kernelFolder, "lab-modules"), "*.ko", SearchOption.AllDirectories).ToDictionary(ModuleGraph.NameOf);
        var (order, seen) = (new List<string>(), new HashSet<string>());
        foreach (var driver in Drivers) Visit(driver);
        return order;

        void Visit(string name)
        {
            if (!files.TryGetValue(name, out var file) || !seen.Add(name)) return;
            foreach (var dependency in ModuleGraph.Dependencies(File.ReadAllBytes(file))) Visit(dependency);
            order.Add(file);
        }
    }
}
