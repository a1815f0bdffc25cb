using RunnerVm.Vmm.Jailer.Cgroups;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Isolation;
using RunnerVm.Vmm.Native.Libc;

namespace RunnerVm.Vmm.Jailer;

/// <summary>
/// The things of the host that a jail is made of, opened and checked before anything is changed. Program, network
/// namespace and devices are those found here, whatever their paths lead to later.
/// </summary>
internal sealed record JailMaterials : IDisposable
{
    /// <summary>Devices a monitor opens itself: KVM, TAP interfaces, random numbers, page faults of a guest's memory.</summary>
    private static readonly string[] DevicePaths = ["/dev/kvm", "/dev/net/tun", "/dev/urandom", "/dev/userfaultfd"];

    private readonly List<string> _problems = [];

    private JailMaterials()
    {
    }

    public FileDescriptor? Program { get; private set; }

    public FileDescriptor? NetworkNamespace { get; private set; }

    public FileDescriptor? Null { get; private set; }

    public IReadOnlyList<Cgroup> Cgroups { get; private set; } = [];

    /// <summary>Those the host has.</summary>
    public IReadOnlyList<(string Path, CharacterDevice Device)> Devices { get; private set; } = [];

    public static (JailMaterials Materials, IReadOnlyList<string> Problems) Gather(JailRequest request)
    {
        var found = new JailMaterials();
        if (!Environment.IsPrivilegedProcess) found._problems.Add("The jailer has to be started by root: it changes user, root directory and namespaces.");
        if (request.ExecFile.Length != 0) found.Try(() => found.OpenProgram(request.ExecFile));
        if (request.ChrootBase.Length != 0) found.Try(() => found.CheckBase(request.ChrootBase));
        if (request.NetworkNamespace is { Length: > 0 } path) found.Try(() => found.NetworkNamespace = OpenQuietly(path, "Make it: ip netns add NAME."));
        if (request.Daemonize) found.Try(() => found.Null = FileDescriptor.Open("/dev/null", LibC.O_RDWR));
        if (request.CgroupValues.Count != 0 || request.CgroupVersion == 2)
            found.Try(() => found.Cgroups = CgroupPlan.Make(request, CgroupMounts.OfHost(), found._problems));
        found.Devices = [.. DevicePaths.Select(static path => (Path: path, Device: CharacterDevice.Find(path)))
            .Where(static found => found.Device is not null).Select(static found => (found.Path, found.Device!.Value))];
        return (found, found._problems);
    }

    public void Dispose()
    {
        Program?.Dispose();
        NetworkNamespace?.Dispose();
        Null?.Dispose();
    }

    private void OpenProgram(string path)
    {
        try
        {
            Program = OpenQuietly(path, "Correct the path.", LibC.O_NOFOLLOW);
        }
        catch (LinuxException problem) when (problem.Errno == LibC.ELOOP)
        {
            var target = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? "it";
            _problems.Add($"--exec-file {path}: a symbolic link, and the jail's folder has the program's own name. Name the program: {target}.");
            return;
        }

        if (Program.Kind() != FileKind.Regular) _problems.Add($"--exec-file {path}: a program is a regular file, and this is none.");
        else if ((File.GetUnixFileMode(path) & UnixFileMode.UserExecute) == 0) _problems.Add($"--exec-file {path}: not executable. chmod +x it, if it is the program.");
    }

    private void CheckBase(string path)
    {
        if (!Directory.Exists(path))
        {
            _problems.Add($"--chroot-base-dir {path}: no such folder. Make it: mkdir -p {path}.");
            return;
        }

        using var folder = Folder.Open(path);
        var (noDevices, noPrograms) = folder.MountOptions();
        if (noDevices || noPrograms)
            _problems.Add($"--chroot-base-dir {path}: its file system is mounted {(noDevices ? "nodev" : "noexec")}, and a jail holds devices and a program. Choose another.");
    }

    /// <summary>Nonblocking: a named pipe would wait here for its other end.</summary>
    private static FileDescriptor OpenQuietly(string path, string fixWhenMissing, int flags = 0) =>
        FileDescriptor.Open(path, LibC.O_RDONLY | LibC.O_NONBLOCK | flags, errno => errno is LibC.ENOENT or LibC.ENOTDIR ? fixWhenMissing : null);

    private void Try(Action look)
    {
        try
        {
            look();
        }
        catch (Exception problem) when (problem is LinuxException or IOException or UnauthorizedAccessException)
        {
            _problems.Add(problem.Message);
        }
    }
}
