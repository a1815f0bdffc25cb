using System.Globalization;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Isolation;

namespace RunnerVm.Vmm.Jailer;

/// <summary>Builds the jail and goes into it, in this order; DESIGN.md says why.</summary>
/// <remarks>
/// All on the main thread. Mount namespace, root directory, capabilities are a thread's own, and the threads of .NET's runtime
/// do not get them; at the exec the kernel ends those and the calling thread is the process.
/// </remarks>
internal sealed class Jail(JailRequest request, JailMaterials materials)
{
    private const uint OwnersOnly = 0b110_000_000;
    private const uint OwnersFolder = 0b111_000_000;
    private const uint EverybodysFolder = 0b111_101_101;
    private const uint EverybodysProgram = 0b101_101_101;
    private const string FixWhenThere = "A machine of this id was here before: remove its folder, or choose another id.";
    private readonly string _program = $"/{request.ExecName}";

    /// <summary>All is done but the start of the program.</summary>
    public bool Stands { get; private set; }

    /// <summary>Returns when the program runs in a process of its own; else this process becomes it.</summary>
    /// <exception cref="LinuxException">A step failed.</exception>
    public void Enter(long startMicroseconds)
    {
        foreach (var cgroup in materials.Cgroups) cgroup.Enter();
        if (materials.NetworkNamespace is { } network) Namespaces.JoinNetwork(network, request.NetworkNamespace!);

        Namespaces.NewMounts();
        // Opened again by its path: what was opened before lies on the old namespace's mounts.
        using (var top = Folder.Open(request.ChrootBase))
        using (var programs = top.Make(request.ExecName, EverybodysFolder))
        using (var id = programs.Make(request.Id, EverybodysFolder))
        {
            id.Make("root", OwnersFolder).Dispose();
            RootDirectory.SwitchTo(id, "root");
        }

        using var root = Folder.Open("/");
        Furnish(root);
        using var pidFile = request.NewPidNamespace || request.Daemonize
            ? root.MakeFile($"{request.ExecName}.pid", OwnersOnly, FixWhenThere)
            : null;
        if (pidFile is not null) root.Give($"{request.ExecName}.pid", request.Uid, request.Gid, OwnersOnly);
        root.Give(".", request.Uid, request.Gid, OwnersFolder);

        GiveUpPrivileges();
        Stands = true;
        Start(startMicroseconds, pidFile);
    }

    /// <summary>What the jail holds: the program, its devices, and a folder for its sockets.</summary>
    private void Furnish(Folder root)
    {
        using (var copy = root.MakeFile(request.ExecName, EverybodysProgram, FixWhenThere)) Copy(materials.Program!, copy);
        root.Give(request.ExecName, 0, 0, EverybodysProgram);
        root.Make("run", OwnersFolder).Dispose();
        root.Give("run", request.Uid, request.Gid, OwnersFolder);
        using var devices = root.Make("dev", EverybodysFolder);
        root.Give("dev", 0, 0, EverybodysFolder);
        foreach (var (path, device) in materials.Devices)
        {
            using var below = path.StartsWith("/dev/net/", StringComparison.Ordinal) ? devices.Make("net", EverybodysFolder) : null;
            var folder = below ?? devices;
            var name = path[(path.LastIndexOf('/') + 1)..];
            if (below is not null) devices.Give("net", 0, 0, EverybodysFolder);
            folder.MakeDevice(name, device, OwnersOnly, FixWhenThere);
            folder.Give(name, request.Uid, request.Gid, OwnersOnly);
        }
    }

    /// <summary>Limits after all our own writing, which they would bind; the bounding set while we still may.</summary>
    private void GiveUpPrivileges()
    {
        ResourceLimit.OpenFiles.Set(request.OpenFilesLimit);
        if (request.FileSizeLimit is { } size) ResourceLimit.FileSize.Set(size);
        if (request.NewPidNamespace) Namespaces.NewPidsForChildren();
        Credentials.CloseBounds();
        Credentials.Become(request.Uid, request.Gid);
        Credentials.DropCapabilities();
    }

    private void Start(long startMicroseconds, FileDescriptor? pidFile)
    {
        var cpu = (long)Environment.CpuUsage.TotalTime.TotalMicroseconds;
        List<string> arguments =
        [
            _program, "--id", request.Id,
            "--start-time-us", startMicroseconds.ToString(CultureInfo.InvariantCulture),
            "--start-time-cpu-us", cpu.ToString(CultureInfo.InvariantCulture),
            .. request.ProgramArguments,
        ];
        if (pidFile is null) ProgramStart.Become(_program, arguments);
        var pid = ProgramStart.Start(_program, arguments, materials.Null);
        WriteAll(pidFile, System.Text.Encoding.ASCII.GetBytes(pid.ToString(CultureInfo.InvariantCulture)), "write the number of the process");
    }

    /// <summary>A copy and no link: machines share no page of the program's text, and may lie on another file system.</summary>
    private void Copy(FileDescriptor from, FileDescriptor to)
    {
        var buffer = new byte[1 << 17];
        for (var at = 0L; ;)
        {
            var count = from.ReadAt(at, buffer);
            if (count < 0) throw new LinuxException($"read {request.ExecFile}", (int)-count);
            if (count == 0) return;
            WriteAll(to, buffer.AsSpan(0, (int)count), $"copy {request.ExecFile} into the jail");
            at += count;
        }
    }

    private static void WriteAll(FileDescriptor file, ReadOnlySpan<byte> bytes, string attempt)
    {
        while (!bytes.IsEmpty)
        {
            var written = file.Write(bytes);
            if (written < 0) throw new LinuxException(attempt, (int)-written, "The file system may be full.");
            bytes = bytes[(int)written..];
        }
    }
}
