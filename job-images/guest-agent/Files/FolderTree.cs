using Microsoft.Win32.SafeHandles;
using RunnerVm.GuestAgent.Native;

namespace RunnerVm.GuestAgent.Files;

/// <summary>
/// A folder one may write below, and nowhere else: the kernel resolves every path beneath it, whatever links an archive
/// brought along (openat2, RESOLVE_BENEATH). Remembers the last folder, because archives come folder by folder.
/// </summary>
internal sealed unsafe class FolderTree : IDisposable
{
    private readonly SafeFileHandle _root;
    private SafeFileHandle? _last;
    private string _lastPath = "";

    /// <param name="path">Created if it is missing.</param>
    public FolderTree(string path)
    {
        if (!path.StartsWith('/')) throw new TarRefusedException($"The folder must be an absolute path, not {path}.");
        if (!Directory.Exists(path)) KernelFile.CreateFolders(path.TrimEnd('/'));
        _root = KernelFile.Open(path, Libc.O_PATH | Libc.O_DIRECTORY);
    }

    /// <summary>A descriptor of a folder below the root, valid until the next call; missing folders are created.</summary>
    /// <param name="path">Relative and clean: no dots, no doubled slashes; empty for the root itself.</param>
    public int Open(string path)
    {
        if (path.Length == 0) return (int)_root.DangerousGetHandle();
        if (_last is not null && path == _lastPath) return (int)_last.DangerousGetHandle();
        var fd = OpenBeneath(path);
        if (fd < 0 && Libc.Errno == Libc.ENOENT)
        {
            Create(path);
            fd = OpenBeneath(path);
        }

        if (fd < 0) throw new LinuxException($"Cannot open the folder {path}", Libc.Errno);
        _last?.Dispose();
        (_last, _lastPath) = (new(fd, ownsHandle: true), path);
        return fd;
    }

    public void Dispose()
    {
        _last?.Dispose();
        _root.Dispose();
    }

    private void Create(string path)
    {
        var slash = path.LastIndexOf('/');
        var parent = Open(slash < 0 ? "" : path[..slash]);
        if (Libc.mkdirat(parent, path[(slash + 1)..], 0b111_101_101) < 0 && Libc.Errno != Libc.EEXIST)
        {
            throw new LinuxException($"Cannot create the folder {path}", Libc.Errno);
        }
    }

    private int OpenBeneath(string path)
    {
        var how = new Libc.OpenHow
        {
            flags = Libc.O_PATH | Libc.O_DIRECTORY | Libc.O_CLOEXEC, resolve = Libc.RESOLVE_BENEATH | Libc.RESOLVE_NO_MAGICLINKS,
        };
        var bytes = System.Text.Encoding.UTF8.GetBytes(path + '\0');
        // SAFETY: a C string and the structure with its size, both in place for the length of the call.
        fixed (byte* name = bytes)
        {
            var fd = (int)Libc.syscall(Libc.SYS_openat2, _root.DangerousGetHandle(), (nint)name, (nint)(&how), sizeof(Libc.OpenHow));
            return fd < 0 && Libc.Errno == Libc.ENOSYS ? OpenStepwise(path) : fd;
        }
    }

    /// <summary>For kernels without openat2 (before 5.6, gVisor): no link is followed at all, not even one that stays beneath.</summary>
    private int OpenStepwise(string path)
    {
        SafeFileHandle? parent = null;
        try
        {
            foreach (var name in path.Split('/'))
            {
                var fd = Libc.openat(
                    (int)(parent ?? _root).DangerousGetHandle(), name, Libc.O_PATH | Libc.O_DIRECTORY | Libc.O_NOFOLLOW | Libc.O_CLOEXEC, 0);
                if (fd < 0) return fd;
                parent?.Dispose();
                parent = new(fd, ownsHandle: true);
            }

            var last = (int)parent!.DangerousGetHandle();
            parent.SetHandleAsInvalid();
            parent = null;
            return last;
        }
        finally
        {
            // After the last look at errno: closing a descriptor that is open changes none.
            parent?.Dispose();
        }
    }
}
