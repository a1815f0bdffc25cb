using System.Runtime.CompilerServices;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Libc;
using RunnerVm.Vmm.Native.Seccomp;

namespace RunnerVm.Vmm.Monitor.Seccomp;

/// <summary>
/// The monitor's filters of system calls, made ready before they are needed. The process's must come first: the kernel gives a
/// filter to all threads only while none of them has one of its own.
/// </summary>
internal sealed class SeccompFilters
{
    private readonly sock_filter[] _process = Assemble(FilterRules.Process);
    private readonly sock_filter[] _vcpu = Assemble(FilterRules.Vcpu);
    private readonly sock_filter[] _api = Assemble(FilterRules.Api);
    private volatile bool _installed;

    /// <summary>From now on a trapped call ends the process with a sentence.</summary>
    public SeccompFilters()
    {
        ForbiddenCallHandler.Install();
        // A thread makes calls when it begins that it may not make later. The runtime's own is begun and not waited for before Main; on
        // a busy host the machine was built first, and the filter killed it. When it has answered, it is there.
        GC.WaitForPendingFinalizers();
    }

    /// <summary>For all threads there are, and those they would make; once the machine is built and before its first instruction.</summary>
    /// <exception cref="LinuxException">With what to do; the guest must not run.</exception>
    public void InstallForProcess()
    {
        if (_installed) return;
        SeccompFilter.InstallForAllThreads(_process);
        _installed = true;
    }

    /// <summary>For the calling thread of a vCPU, after <see cref="InstallForProcess"/>.</summary>
    public void InstallForVcpu() => InstallForThread(_vcpu);

    /// <summary>For the calling thread of the API. False, and nothing done, before <see cref="InstallForProcess"/>.</summary>
    public bool TryInstallForApi()
    {
        if (!_installed) return false;
        InstallForThread(_api);
        return true;
    }

    private static sock_filter[] Assemble(IReadOnlyList<CallRule> rules) =>
        BpfProgram.Assemble(RuntimeFeature.IsDynamicCodeCompiled ? [.. FilterRules.OfCompiler, .. rules] : rules);

    private void InstallForThread(sock_filter[] program)
    {
        if (!_installed) throw new InvalidOperationException("The process has no filter yet, and could get none afterwards.");
        SeccompFilter.InstallForThisThread(program);
    }
}
