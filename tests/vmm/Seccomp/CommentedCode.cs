using System.Diagnostics;
using System.Text.RegularExpressions;
using Xunit;

namespace RunnerVm.Tests.Vmm.Seccomp;

/// <summary>Machine code in a source file: the comments beside the bytes are the source, and an assembler must make these bytes of them.</summary>
internal static partial class CommentedCode
{
    /// <param name="file">Below vmm/native.</param>
    public static async Task MustBeWhatItsCommentsSayAsync(string file, byte[] code)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/gcc") && File.Exists("/usr/bin/objcopy"), "gcc or binutils is not installed.");
        var source = Path.Combine(Sources.Root, "vmm", "native", file);
        var lines = File.ReadLines(source).Select(static line => Line().Match(line)).Where(static match => match.Success).Select(static match => match.Groups[1].Value);
        var folder = Directory.CreateTempSubdirectory("runnervm-handler-").FullName;
        try
        {
            var assembly = Path.Combine(folder, "handler.S");
            await File.WriteAllLinesAsync(assembly, [".intel_syntax noprefix", .. lines], TestContext.Current.CancellationToken);
            await RunAsync("gcc", "-c", assembly, "-o", Path.Combine(folder, "handler.o"));
            await RunAsync("objcopy", "-O", "binary", "-j", ".text", Path.Combine(folder, "handler.o"), Path.Combine(folder, "handler"));
            var made = await File.ReadAllBytesAsync(Path.Combine(folder, "handler"), TestContext.Current.CancellationToken);
            Assert.Equal(Convert.ToHexString(made), Convert.ToHexString(code));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
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
