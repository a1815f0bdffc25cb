using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using RunnerVm.Vmm.Native.Kvm;
using RunnerVm.Vmm.Native.Libc;
using Xunit;

namespace RunnerVm.Tests.Vmm.Native;

/// <summary>
/// Our copies of C structures and numbers, held against the headers by the C compiler: one static assertion for each
/// size, offset and value.
/// </summary>
public sealed class AbiTests
{
    [Fact]
    public async Task Every_structure_is_laid_out_as_in_the_C_headers()
    {
        var source = new StringBuilder(Headers);
        foreach (var type in new[]
        {
            typeof(kvm_userspace_memory_region), typeof(kvm_regs), typeof(kvm_segment), typeof(kvm_dtable), typeof(kvm_sregs),
            typeof(timespec), typeof(itimerspec), typeof(iovec), typeof(epoll_event),
            typeof(kvm_pit_config), typeof(kvm_irqfd), typeof(kvm_ioeventfd), typeof(kvm_clock_data), typeof(kvm_cpuid_entry2),
            typeof(kvm_cpuid2), typeof(kvm_msr_entry), typeof(kvm_msrs), typeof(kvm_mp_state), typeof(kvm_lapic_state), typeof(kvm_fpu),
            typeof(kvm_vcpu_events), typeof(kvm_debugregs), typeof(kvm_xcr), typeof(kvm_xcrs), typeof(kvm_irqchip), typeof(kvm_pit_channel_state),
            typeof(kvm_pit_state2), typeof(kvm_dirty_log),
            typeof(pollfd), typeof(termios),
            typeof(statx), typeof(statx_timestamp),
            typeof(sockaddr_un), typeof(ifreq),
            typeof(sock_filter), typeof(sock_fprog), typeof(seccomp_data), typeof(sigaction),
            typeof(rlimit), typeof(statvfs), typeof(__user_cap_header_struct), typeof(__user_cap_data_struct),
        })
        {
            source.AppendLine($"_Static_assert(sizeof(struct {type.Name}) == {Marshal.SizeOf(type)}, \"size of {type.Name}\");");
            AppendOffsets(source, type);
        }

        AppendOffsets(source, typeof(kvm_run)); // Only its head: the union that follows is read by offset.
        AppendExit(source, typeof(kvm_run_io), "io");
        AppendExit(source, typeof(kvm_run_mmio), "mmio");
        AppendExit(source, typeof(kvm_run_fail_entry), "fail_entry");
        AppendExit(source, typeof(kvm_run_internal), "internal");
        AppendExit(source, typeof(kvm_run_system_event), "system_event");
        source.AppendLine($"_Static_assert(sizeof(posix_spawnattr_t) == {Marshal.SizeOf<posix_spawnattr_t>()}, \"posix_spawnattr_t\");");
        source.AppendLine($"_Static_assert(sizeof(posix_spawn_file_actions_t) == {Marshal.SizeOf<posix_spawn_file_actions_t>()}, \"posix_spawn_file_actions_t\");");
        source.AppendLine($"_Static_assert(sizeof(Elf64_Phdr) == {Marshal.SizeOf<Elf64_Phdr>()}, \"Elf64_Phdr\");");
        AppendOffsets(source, typeof(Elf64_Phdr), "");
        source.AppendLine("_Static_assert(sizeof(sigset_t) == 128, \"sigset_t\");");
        source.AppendLine("_Static_assert(offsetof(struct kvm_signal_mask, sigset) == 4, \"kvm_signal_mask\");");
        await CompileAsync(source.ToString());
    }

    [Fact]
    public async Task Every_number_is_that_of_the_C_headers()
    {
        var source = new StringBuilder(Headers);
        foreach (var type in new[] { typeof(KvmApi), typeof(LibC) })
        {
            foreach (var field in type.GetFields(BindingFlags.Public | BindingFlags.Static).Where(field => field.IsLiteral))
                source.AppendLine($"_Static_assert({field.Name} == {field.GetRawConstantValue()}, \"{field.Name}\");");
        }

        await CompileAsync(source.ToString());
    }

    /// <summary>A function in C, so no static assertion; the expected number is what makedev(3) gave.</summary>
    [Fact]
    public void A_device_number_is_packed_as_in_the_C_library() => Assert.Equal(316661085455770ul, LibC.makedev(0x12345, 0x6789a));

    [Fact]
    public async Task Every_system_call_has_the_number_of_the_C_headers()
    {
        var source = new StringBuilder(Headers);
        foreach (var call in Enum.GetValues<SystemCall>())
        {
            // Headers may be older than the youngest calls.
            source.AppendLine($"#ifdef __NR_{call}\n_Static_assert(__NR_{call} == {(int)call}, \"{call}\");");
            source.AppendLine((int)call < 450 ? $"#else\n#error {call}\n#endif" : "#endif");
        }

        await CompileAsync(source.ToString());
    }

    [Fact]
    public async Task A_wrong_number_would_be_noticed()
    {
        var problem = await Assert.ThrowsAnyAsync<Exception>(() => CompileAsync(Headers + "_Static_assert(KVM_RUN == 1, \"\");"));
        Assert.Contains("static assertion failed", problem.Message, StringComparison.Ordinal);
    }

    private const string Headers = """
        #define _GNU_SOURCE
        #include <elf.h>
        #include <errno.h>
        #include <fcntl.h>
        #include <limits.h>
        #include <poll.h>
        #include <sched.h>
        #include <signal.h>
        #include <spawn.h>
        #include <stddef.h>
        #include <sys/auxv.h>
        #include <sys/epoll.h>
        #include <sys/ioctl.h>
        #include <sys/eventfd.h>
        #include <sys/mman.h>
        #include <sys/mount.h>
        #include <sys/prctl.h>
        #include <sys/resource.h>
        #include <sys/statvfs.h>
        #include <sys/syscall.h>
        #include <sys/sysmacros.h>
        #include <net/if.h>
        #include <sys/random.h>
        #include <sys/stat.h>
        #include <sys/socket.h>
        #include <sys/timerfd.h>
        #include <sys/uio.h>
        #include <sys/un.h>
        #include <termios.h>
        #include <time.h>
        #include <unistd.h>
        #include <linux/audit.h>
        #include <linux/capability.h>
        #include <linux/close_range.h>
        #include <linux/falloc.h>
        #include <linux/filter.h>
        #include <linux/fs.h>
        #include <linux/if_tun.h>
        #include <linux/kvm.h>
        #include <linux/mman.h>
        #include <linux/seccomp.h>

        """;

    /// <summary>A member of struct kvm_run's union, at 32.</summary>
    private static void AppendExit(StringBuilder source, Type type, string member)
    {
        foreach (var field in type.GetFields(BindingFlags.Public | BindingFlags.Instance))
        {
            var offset = 32 + Marshal.OffsetOf(type, field.Name);
            source.AppendLine($"_Static_assert(offsetof(struct kvm_run, {member}.{field.Name}) == {offset}, \"{member}.{field.Name}\");");
        }
    }

    private static void AppendOffsets(StringBuilder source, Type type, string kind = "struct ")
    {
        foreach (var field in type.GetFields(BindingFlags.Public | BindingFlags.Instance))
        {
            var offset = Marshal.OffsetOf(type, field.Name);
            source.AppendLine(
                $"_Static_assert(offsetof({kind}{type.Name}, {field.Name}) == {offset}, \"{type.Name}.{field.Name}\");");
        }
    }

    private static async Task CompileAsync(string source)
    {
        if (!File.Exists("/usr/bin/gcc") || !File.Exists("/usr/include/linux/kvm.h"))
            Assert.Skip("gcc or the kernel headers (linux-libc-dev) are not installed.");
        var start = new ProcessStartInfo("gcc", ["-fsyntax-only", "-x", "c", "-"])
        {
            RedirectStandardInput = true,
            RedirectStandardError = true,
        };
        using var gcc = Process.Start(start)!;
        await gcc.StandardInput.WriteAsync(source);
        gcc.StandardInput.Close();
        var problems = await gcc.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await gcc.WaitForExitAsync(TestContext.Current.CancellationToken);
        if (gcc.ExitCode != 0) throw new InvalidOperationException(problems);
    }
}
