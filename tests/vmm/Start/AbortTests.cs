using System.Diagnostics;
using RunnerVm.Tests.Vmm.Machine;
using RunnerVm.Tests.Vmm.Seccomp;
using RunnerVm.Vmm.Native.Threads;
using Xunit;

namespace RunnerVm.Tests.Vmm.Start;

/// <summary>An abort is never silent.</summary>
public sealed class AbortTests : IDisposable
{
    private const int Aborted = 128 + 6;

    private readonly string _folder = Directory.CreateTempSubdirectory("abort-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public Task The_machine_code_is_what_the_assembler_makes_of_its_comments() =>
        CommentedCode.MustBeWhatItsCommentsSayAsync(Path.Combine("Threads", "AbortHandler.cs"), AbortHandler.Code.ToArray());

    [Fact]
    public void The_code_ends_before_its_data() => Assert.InRange(AbortHandler.Code.Length, 1, 256);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_monitor_that_aborts_says_so_and_ends_by_the_signal_also_under_its_filters(bool confined)
    {
        var socket = Path.Combine(_folder, "api");
        using var program = MonitorProgram.Start("--api-sock", socket);
        using var api = program.Connect(socket);
        if (confined) Assert.Equal(204, api.Ask("PUT", "/boot", $$"""{"kernel_image_path": "{{FreestandingGuest.Build("spin")}}", "boot_args": ""}""").Status);
        using var kill = Process.Start("kill", ["-ABRT", $"{program.Id}"]);
        await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        var (status, _, errors) = program.WaitForEnd();
        Assert.Equal(Aborted, status);
        Assert.Matches("^runnervm-vmm: aborted \\(SIGABRT\\) on thread \"[^\"]+\": .+\n$", errors);
    }
}
