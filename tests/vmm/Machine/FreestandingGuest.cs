using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Xunit;

namespace RunnerVm.Tests.Vmm.Machine;

/// <summary>A program without an operating system, out of tests/vmm/Guests: an ELF that either boot protocol can enter.</summary>
internal static class FreestandingGuest
{
    private static readonly string[] Options =
    [
        "-m64", "-O2", "-ffreestanding", "-nostdlib", "-static", "-no-pie", "-fno-pie", "-mno-red-zone", "-mgeneral-regs-only",
        "-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fcf-protection=none", "-Wall", "-Wextra", "-Werror",
        "-Wl,--build-id=none", "-Wl,-z,noexecstack", "-Wl,--no-warn-rwx-segments",
    ];

    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Guests");

    /// <summary>Builds <c>name.c</c>, or finds what an earlier run built of the same sources. Skips the test where that cannot be.</summary>
    /// <param name="pvh">With the note that makes the monitor choose PVH.</param>
    /// <param name="defines"><c>NAME=value</c> for the preprocessor.</param>
    public static string Build(string name, bool pvh = false, params string[] defines)
    {
        RequireKvm();
        if (!File.Exists("/usr/bin/gcc")) Assert.Skip("gcc is not installed.");
        string[] arguments = [.. Options, .. pvh ? ["-DPVH"] : Array.Empty<string>(), .. defines.Select(static define => "-D" + define)];
        var path = Path.Combine(AppContext.BaseDirectory, "Guests", "built", $"{name}-{Fingerprint(arguments)}.elf");
        if (File.Exists(path)) return path;

        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var made = $"{path}.{Environment.ProcessId}.{Environment.CurrentManagedThreadId}";
        Compile([.. arguments, "-T", Source("guest.ld"), Source("start.S"), Source("guest.c"), Source(name + ".c"), "-o", made]);
        File.Move(made, path, overwrite: true);
        return path;
    }

    public static void RequireKvm()
    {
        if (!File.Exists("/dev/kvm")) Assert.Skip("There is no /dev/kvm.");
        try
        {
            using var _ = File.Open("/dev/kvm", FileMode.Open, FileAccess.ReadWrite);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Assert.Skip($"/dev/kvm does not open: {e.Message}");
        }
    }

    private static string Source(string name) => Path.Combine(Folder, name);

    private static string Fingerprint(string[] arguments)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in Directory.GetFiles(Folder).Order(StringComparer.Ordinal)) hash.AppendData(File.ReadAllBytes(file));
        hash.AppendData(Encoding.UTF8.GetBytes(string.Join('\n', arguments)));
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }

    private static void Compile(string[] arguments)
    {
        using var gcc = Process.Start(new ProcessStartInfo("gcc", arguments) { RedirectStandardError = true })!;
        var problems = gcc.StandardError.ReadToEnd();
        gcc.WaitForExit();
        if (gcc.ExitCode != 0) throw new InvalidOperationException($"gcc {string.Join(' ', arguments)}\n{problems}");
    }
}
