using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Boot;

/// <summary>
/// The kernel modules the initramfs carries, each loaded when somebody needs it: on a software CPU they are most of the
/// agent's time to its greeting, and drivers that wait for their devices may wait side by side. /modules/order has a line for
/// each: its file, then the names of the modules it depends on. What is not listed is built in. Safe from any thread.
/// </summary>
internal static class KernelModules
{
    private static readonly SafeFileHandle? s_folder = KernelFile.TryOpen("/modules", Libc.O_RDONLY | Libc.O_DIRECTORY);
    private static readonly Dictionary<string, Lazy<bool>> s_modules = Read();

    /// <summary>Loads modules with what they depend on; a second call for one waits for the first and costs nothing.</summary>
    public static void Load(params ReadOnlySpan<string> names)
    {
        foreach (var name in names) _ = !s_modules.TryGetValue(name, out var module) || module.Value;
    }

    private static Dictionary<string, Lazy<bool>> Read()
    {
        var modules = new Dictionary<string, Lazy<bool>>();
        foreach (var line in (KernelFile.TryRead("/modules/order") ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            // 008-virtio_blk.ko
            var name = Path.GetFileNameWithoutExtension(words[0])[4..];
            modules[name] = new(() => LoadAfter(words));
        }

        return modules;
    }

    private static bool LoadAfter(string[] words)
    {
        Load(words.AsSpan(1));
        var errno = LoadFile(words[0]);
        if (errno is not (0 or Libc.EEXIST)) AgentConsole.Line($"module {words[0]}: {LinuxException.Describe(errno)}");
        return true;
    }

    private static unsafe int LoadFile(string name)
    {
        // By the folder's descriptor: the job's root may be in place by now.
        using var file = new SafeFileHandle(Libc.openat((int)s_folder!.DangerousGetHandle(), name, Libc.O_RDONLY | Libc.O_CLOEXEC, 0), ownsHandle: true);
        if (file.IsInvalid) return Libc.Errno;
        var noParameters = (byte)0;
        // SAFETY: the kernel reads a C string, here the empty one.
        return Libc.syscall(Libc.SYS_finit_module, file.DangerousGetHandle(), (nint)(&noParameters), 0, 0) < 0 ? Libc.Errno : 0;
    }
}
