using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Boot;

/// <summary>Loads what /modules/order names, one file a line, in that order, and frees the memory the files take.</summary>
internal static class KernelModules
{
    private const string Folder = "/modules";

    /// <returns>Modules that are missing or refused, with the reason: a kernel may have them built in.</returns>
    public static List<string> Load()
    {
        List<string> failed = [];
        foreach (var name in (KernelFile.TryRead($"{Folder}/order") ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var path = $"{Folder}/{name}";
            var errno = Load(path);
            if (errno is not (0 or Libc.EEXIST)) failed.Add($"{name}: {LinuxException.Describe(errno)}");
            _ = Libc.unlinkat(Libc.AT_FDCWD, path, 0);
        }

        return failed;
    }

    private static unsafe int Load(string path)
    {
        using var file = KernelFile.TryOpen(path, Libc.O_RDONLY);
        if (file is null) return Libc.Errno;
        var noParameters = (byte)0;
        // SAFETY: the kernel reads a C string, here the empty one.
        return Libc.syscall(Libc.SYS_finit_module, file.DangerousGetHandle(), (nint)(&noParameters), 0, 0) < 0 ? Libc.Errno : 0;
    }
}
