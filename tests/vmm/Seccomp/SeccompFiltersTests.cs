using System.Diagnostics;
using RunnerVm.Vmm.Native.Seccomp;
using Xunit;

namespace RunnerVm.Tests.Vmm.Seccomp;

/// <summary>
/// The real filters in processes of their own. The tests' code is compiled as it runs, for which the filters have rules besides;
/// what is forbidden here is forbidden there too.
/// </summary>
public sealed class SeccompFiltersTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>socket: AF_INET is 2, AF_UNIX 1, SOCK_STREAM 1.</summary>
    [Theory]
    [InlineData("main", "socket 2 1", "socket (number 41)")]
    [InlineData("main", "execve", "execve (number 59)")]
    [InlineData("main", "ioctl 0 44545", "ioctl (number 16)")] // KVM_CREATE_VM
    [InlineData("main", "tgkill 1 1 9", "tgkill (number 234)")]
    [InlineData("vcpu 0", "socket 1 1", "socket (number 41)")]
    [InlineData("vcpu 1", "unlink", "unlink (number 87)")]
    [InlineData("vcpu 1", "seccomp 1", "seccomp (number 317)")]
    [InlineData("api", "fdatasync", "fdatasync (number 75)")]
    [InlineData("api", "ioctl 0 44672", "ioctl (number 16)")] // KVM_RUN
    [InlineData("finalizer", "ptrace", "ptrace (number 101)")]
    [InlineData("main", "400", "unknown (number 400)")]
    [InlineData("main", "100000", "unknown (number 100000)")]
    [InlineData("main", "1073741863", "unknown (number 1073741863)")] // getpid of x32
    [InlineData("vcpu 0", "i386", "unknown (number 20)")] // 20 is writev here and allowed
    public async Task A_forbidden_call_ends_the_process_and_is_named(string thread, string deed, string call)
    {
        var (status, said) = await RunAsync(thread, deed);
        var comm = thread switch { "main" => "vmm.tests", "finalizer" => ".NET Finalizer", _ => thread };
        Assert.Equal(
            $"runnervm-vmm: system call {call} is not allowed on thread \"{comm}\"; the process ends. " +
            "If nothing attacks it this is a bug: report this line; --no-seccomp runs without the filters.\n", said);
        Assert.Equal(ForbiddenCallHandler.ExitStatus, status);
    }

    [Theory]
    [InlineData("main")]
    [InlineData("vcpu 0")]
    [InlineData("api")]
    public async Task Every_thread_can_allocate_collect_and_end(string thread)
    {
        var (status, said) = await RunAsync(thread, "live");
        Assert.Equal((Trespasser.Unharmed, 0), (said, status));
    }

    [Fact]
    public async Task What_the_process_may_and_a_thread_may_not_still_works_elsewhere()
    {
        var (status, said) = await RunAsync("main", "socket 1 1");
        Assert.Equal((Trespasser.Unharmed, 0), (said, status));
    }

    private static async Task<(int Status, string Said)> RunAsync(string thread, string deed)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, [Trespasser.Argument, thread, deed]) { RedirectStandardError = true };
        // Fewer threads of the compiler, which is not what is tested.
        start.Environment["DOTNET_TieredCompilation"] = "0";
        using var process = Process.Start(start)!;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Patience);
        try
        {
            var said = await process.StandardError.ReadToEndAsync(patience.Token);
            await process.WaitForExitAsync(patience.Token);
            return (process.ExitCode, said);
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }
}
