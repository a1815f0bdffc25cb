using System.Text;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Isolation;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Jailer.Cgroups;

/// <summary>A cgroup the jailer moves into, and so all that comes after it.</summary>
internal abstract class Cgroup
{
    /// <summary>Makes what is missing, writes the values, moves this process there.</summary>
    /// <exception cref="LinuxException">With the file and what to do.</exception>
    public abstract void Enter();

    /// <summary>Zero is whoever writes it, in whatever pid namespace. cgroup.procs takes all threads, tasks would take one.</summary>
    protected static void MoveInto(string path) => Write(Path.Combine(path, "cgroup.procs"), "0", static errno => errno switch
    {
        LibC.EBUSY or LibC.EOPNOTSUPP => "In version 2 a cgroup with controllers for its children has no processes itself: choose one below it.",
        LibC.ENOSPC => "In version 1 a cpuset needs cpuset.cpus and cpuset.mems before its first process.",
        _ => null,
    });

    protected static void Make(string path)
    {
        using var parent = Folder.Open(Path.GetDirectoryName(path)!);
        parent.Make(Path.GetFileName(path), 0b111_101_101).Dispose();
    }

    protected static string Read(string path)
    {
        using var file = FileDescriptor.Open(path, LibC.O_RDONLY);
        var text = new byte[1 << 14];
        var length = file.Read(text);
        return length >= 0 ? Encoding.UTF8.GetString(text, 0, (int)length).Trim() : throw new LinuxException($"read {path}", (int)-length);
    }

    /// <summary>In one write: that is how the kernel takes a value.</summary>
    protected static void Write(string path, string value, Func<int, string?>? fix = null)
    {
        using var file = FileDescriptor.Open(path, LibC.O_WRONLY, static errno => errno switch
        {
            LibC.ENOENT => "The kernel knows no such file for this cgroup; see what there is beside it.",
            LibC.EACCES or LibC.EROFS => "The hierarchy is read-only here, as in most containers.",
            _ => null,
        });
        var written = file.Write(Encoding.UTF8.GetBytes(value));
        if (written < 0) throw new LinuxException($"write '{value}' to {path}", (int)-written, fix?.Invoke((int)-written) ?? WhyNot((int)-written));
    }

    private static string? WhyNot(int errno) => errno switch
    {
        LibC.EINVAL or LibC.ERANGE => "The kernel does not take this value for this file.",
        LibC.EACCES or LibC.EPERM => "The cgroup above does not allow it.",
        _ => null,
    };
}

/// <summary>One of version 2 that somebody made and limited before.</summary>
internal sealed class PreparedCgroup(string path) : Cgroup
{
    public override void Enter() => MoveInto(path);
}
