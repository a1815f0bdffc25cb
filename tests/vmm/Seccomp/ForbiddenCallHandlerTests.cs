using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Seccomp;
using Xunit;

namespace RunnerVm.Tests.Vmm.Seccomp;

public sealed partial class ForbiddenCallHandlerTests
{
    /// <summary>The comments beside the bytes are the source: an assembler must make these bytes of them.</summary>
    [Fact]
    public async Task The_machine_code_is_what_the_assembler_makes_of_its_comments()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/gcc") && File.Exists("/usr/bin/objcopy"), "gcc or binutils is not installed.");
        var source = Path.Combine(Sources.Root, "vmm", "native", "Seccomp", "ForbiddenCallHandler.cs");
        var lines = File.ReadLines(source).Select(static line => Line().Match(line)).Where(static match => match.Success).Select(static match => match.Groups[1].Value);
        var folder = Directory.CreateTempSubdirectory("runnervm-handler-").FullName;
        try
        {
            var assembly = Path.Combine(folder, "handler.S");
            await File.WriteAllLinesAsync(assembly, [".intel_syntax noprefix", .. lines], TestContext.Current.CancellationToken);
            await RunAsync("gcc", "-c", assembly, "-o", Path.Combine(folder, "handler.o"));
            await RunAsync("objcopy", "-O", "binary", "-j", ".text", Path.Combine(folder, "handler.o"), Path.Combine(folder, "handler"));
            var made = await File.ReadAllBytesAsync(Path.Combine(folder, "handler"), TestContext.Current.CancellationToken);
            Assert.Equal(Convert.ToHexString(made), Convert.ToHexString(ForbiddenCallHandler.Code));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void The_code_ends_before_its_data() => Assert.InRange(ForbiddenCallHandler.Code.Length, 1, 256);

    [Fact]
    public void The_names_it_says_are_those_of_the_enumeration()
    {
        string[] names = [.. Words(SystemCallNames.First), .. Enumerable.Repeat("", SystemCallNames.Later - SystemCallNames.AfterFirst), .. Words(SystemCallNames.FromLater)];
        Assert.Equal(SystemCallNames.Count, names.Length);
        Assert.Equal(Enumerable.Range(0, names.Length).Select(static number => Enum.GetName((SystemCall)number) ?? ""), names);
        Assert.DoesNotContain(Enum.GetValues<SystemCall>(), static call => (int)call >= SystemCallNames.Count);

        static string[] Words(ReadOnlySpan<byte> text) => Encoding.ASCII.GetString(text).Split(' ');
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        var problems = await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, problems);
    }

    /// <summary>Bytes, then the instruction up to the remark behind two spaces.</summary>
    [GeneratedRegex(@"^ +(?:0x[0-9a-f]{2}, ?)+ *// (.+?)(?:  .*)?$")]
    private static partial Regex Line();
}
