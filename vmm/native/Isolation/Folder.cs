using System.Runtime.InteropServices;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Native.Isolation;

/// <summary>
/// An open directory in which things are made by name. A name is one component, and a symbolic link is never followed: what
/// somebody put in the way beforehand is refused and not written through.
/// </summary>
internal sealed class Folder : IDisposable
{
    private readonly FileDescriptor _directory;

    private Folder(string path, FileDescriptor directory) => (Path, _directory) = (path, directory);

    /// <summary>For messages.</summary>
    public string Path { get; }

    public static Folder Open(string path) => new(path, FileDescriptor.Open(path, LibC.O_PATH | LibC.O_DIRECTORY));

    /// <summary>Opens a folder in this one.</summary>
    public unsafe Folder Enter(string name)
    {
        var text = new CStrings(name);
        using var at = _directory.Borrow();
        // SAFETY: the string lives as long as the object, which is kept to the end.
        var fd = LibC.openat(at.Fd, text.First, LibC.O_PATH | LibC.O_DIRECTORY | LibC.O_NOFOLLOW | LibC.O_CLOEXEC, 0);
        GC.KeepAlive(text);
        return fd >= 0 ? new(In(name), new(fd)) : throw Problem("open the folder", name, static errno =>
            errno is LibC.ENOTDIR or LibC.ELOOP ? "Something else of that name is there (a file, or a symbolic link). Remove it." : null);
    }

    /// <summary>Makes a folder, unless it is there, and opens it.</summary>
    public unsafe Folder Make(string name, uint mode)
    {
        var text = new CStrings(name);
        using var at = _directory.Borrow();
        // SAFETY: as above.
        if (LibC.mkdirat(at.Fd, text.First, mode) != 0 && Marshal.GetLastPInvokeError() != LibC.EEXIST) throw Problem("make the folder", name);
        GC.KeepAlive(text);
        return Enter(name);
    }

    /// <summary>Makes a new file for writing; it must not be there.</summary>
    public unsafe FileDescriptor MakeFile(string name, uint mode, string fixWhenThere)
    {
        var text = new CStrings(name);
        using var at = _directory.Borrow();
        // SAFETY: as above.
        var fd = LibC.openat(at.Fd, text.First, LibC.O_WRONLY | LibC.O_CREAT | LibC.O_EXCL | LibC.O_NOFOLLOW | LibC.O_CLOEXEC, (int)mode);
        GC.KeepAlive(text);
        return fd >= 0 ? new(fd) : throw Problem("make the file", name, errno => errno == LibC.EEXIST ? fixWhenThere : null);
    }

    /// <summary>Makes a character device; it must not be there.</summary>
    public unsafe void MakeDevice(string name, CharacterDevice device, uint mode, string fixWhenThere)
    {
        var text = new CStrings(name);
        using var at = _directory.Borrow();
        // SAFETY: as above.
        var result = LibC.mknodat(at.Fd, text.First, LibC.S_IFCHR | mode, LibC.makedev(device.Major, device.Minor));
        GC.KeepAlive(text);
        if (result == 0) return;
        throw Problem("make the device", name, errno => errno switch
        {
            LibC.EEXIST => fixWhenThere,
            LibC.EPERM => "It needs CAP_MKNOD, and a devices cgroup that allows it.",
            _ => null,
        });
    }

    /// <summary>Sets owner and mode of <paramref name="name"/> in this folder; of the folder itself for ".". The umask has no say.</summary>
    public unsafe void Give(string name, uint owner, uint group, uint mode)
    {
        var text = new CStrings(name);
        using var at = _directory.Borrow();
        // SAFETY: as above.
        if (LibC.fchownat(at.Fd, text.First, owner, group, LibC.AT_SYMLINK_NOFOLLOW) != 0) throw Problem($"give to {owner}:{group}", name);
        // No flag against symbolic links: older kernels know none. What is named here was just made by us, in a folder of ours.
        if (LibC.fchmodat(at.Fd, text.First, mode, 0) != 0) throw Problem($"set the mode {Convert.ToString(mode, 8)} of", name);
        GC.KeepAlive(text);
    }

    /// <summary>Whether the mount it is on forbids device nodes, or programs.</summary>
    public unsafe (bool NoDevices, bool NoPrograms) MountOptions()
    {
        statvfs found;
        using var at = _directory.Borrow();
        // SAFETY: a structure on this stack, during the call.
        if (LibC.fstatvfs(at.Fd, &found) != 0) throw LinuxException.Last($"ask for the mount options of {Path}");
        return ((found.f_flag & LibC.ST_NODEV) != 0, (found.f_flag & LibC.ST_NOEXEC) != 0);
    }

    /// <summary>Makes it the working directory.</summary>
    public void WorkHere()
    {
        using var at = _directory.Borrow();
        if (LibC.fchdir(at.Fd) != 0) throw LinuxException.Last($"enter {Path}");
    }

    public void Dispose() => _directory.Dispose();

    private string In(string name) => name == "." ? Path : Path == "/" ? $"/{name}" : $"{Path}/{name}";

    private LinuxException Problem(string attempt, string name, Func<int, string?>? fix = null)
    {
        var errno = Marshal.GetLastPInvokeError();
        return new($"{attempt} {In(name)}", errno, fix?.Invoke(errno) ?? (errno == LibC.EROFS ? "Choose a file system that can be written." : null));
    }
}
