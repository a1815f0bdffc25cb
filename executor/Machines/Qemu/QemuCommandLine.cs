using RunnerVm.Jobs;

namespace RunnerVm.Machines.Qemu;

/// <summary>
/// QEMU's command line for one machine. Anyone on the host can read it in /proc: it holds paths and sizes, never a
/// secret. QEMU's own defaults are switched off, so what is named here is all the guest gets.
/// </summary>
internal static class QemuCommandLine
{
    /// <summary>The guest finds its stream as the virtio port of this name (<c>/sys/class/virtio-ports/*/name</c>).</summary>
    public const string AgentPortName = "org.runnervm.agent";

    /// <summary>What the root disk says in <c>/sys/block/*/serial</c>; device names are only an order of discovery.</summary>
    public const string RootSerial = "runnervm-root";

    /// <summary>What the scratch disk says in <c>/sys/block/*/serial</c>.</summary>
    public const string ScratchSerial = "runnervm-scratch";

    /// <summary>What another disk says there; a serial has 20 bytes.</summary>
    public static string DiskSerial(JobDisk disk) => $"rvx-{disk.Name}";

    /// <summary>
    /// A machine that is restored is to QEMU one that came from another host, so it would have the page cache of its disks dropped:
    /// the root image is every machine's, and the scratch disk would be written out that is deleted in a moment.
    /// </summary>
    private const string KeepCache = "drop-cache=off";

    private const string ScratchOptions = "discard=unmap,cache.direct=off,cache.no-flush=on";

    /// <summary>The guest's processors stand still (-S) until the monitor says <c>cont</c>.</summary>
    public static IReadOnlyList<string> Build(
        MachineSpec spec, QemuAcceleration acceleration, string agentSocket, string qmpSocket) =>
    [
        .. Process(spec), "-S", .. Board(spec, acceleration), .. Boot(spec, acceleration), .. Devices(spec, agentSocket, qmpSocket),
    ];

    /// <summary>The same machine with its memory in a file that is its own to fill.</summary>
    public static IReadOnlyList<string> BuildForSnapshot(
        MachineSpec spec, SnapshotFiles files, QemuAcceleration acceleration, string agentSocket, string qmpSocket) =>
    [
        .. Process(spec), "-S", .. Board(spec, acceleration, Memory(spec, files, "share=on")), .. Boot(spec, acceleration),
        .. Devices(spec, agentSocket, qmpSocket),
    ];

    /// <summary>
    /// A copy of that machine: what it writes to its memory is its own. It waits for the monitor to say where the state is, and
    /// then goes on by itself, as the machine ran that was laid down.
    /// </summary>
    public static IReadOnlyList<string> BuildForRestore(
        MachineSpec spec, SnapshotFiles files, QemuAcceleration acceleration, string agentSocket, string qmpSocket) =>
    [
        .. Process(spec), .. Board(spec, acceleration, Memory(spec, files, "share=off")), "-incoming", "defer",
        .. Devices(spec, agentSocket, qmpSocket),
    ];

    private static string[] Process(MachineSpec spec) =>
    [
        "-name", $"guest=runnervm-{Escape(spec.Id)},process=runnervm-{Escape(spec.Id)}",
        "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    ];

    /// <summary>Their order and ids are part of a snapshot.</summary>
    private static string[] Devices(MachineSpec spec, string agentSocket, string qmpSocket) =>
    [
        .. Console(),
        .. Monitor(qmpSocket),
        .. Agent(agentSocket),
        .. RootDisk(spec.RootImagePath),
        .. ScratchDisk(spec.ScratchDiskPath),
        .. spec.Disks.SelectMany(ReadOnlyDisk),
    ];

    /// <summary>
    /// rtc=on: without it the kernel waits two seconds for a clock that is not there. acpi stays on, its default:
    /// distribution kernels find the virtio-mmio devices by ACPI alone. mem-merge=off: equal pages of two guests are
    /// never shared, so neither can tell by timing what the other holds.
    /// </summary>
    private static string[] Board(MachineSpec spec, QemuAcceleration acceleration, string[]? memory = null) =>
    [
        .. memory ?? [],
        "-M", "microvm,x-option-roms=off,rtc=on,mem-merge=off,dump-guest-core=off" + (memory is null ? "" : ",memory-backend=memory"),
        .. acceleration.Arguments,
        "-m", $"{spec.MemoryMib}M",
        "-smp", $"{spec.Cpus}",
    ];

    private static string[] Memory(MachineSpec spec, SnapshotFiles files, string share) =>
        ["-object", $"memory-backend-file,id=memory,size={spec.MemoryMib}M,mem-path={Escape(files.Memory)},{share},merge=off,dump=off"];

    /// <summary>
    /// reboot=t with -no-reboot makes a reboot or panic the end of the process. cryptomgr.notests saves 0.4 s of self
    /// tests in distribution kernels under the software CPU. rcu_expedited: where few processors share one machine, a
    /// grace period that is waited for costs ticks of the clock (mounting, cgroups, network), an expedited one nothing.
    /// </summary>
    private static string[] Boot(MachineSpec spec, QemuAcceleration acceleration) =>
    [
        "-kernel", spec.KernelPath,
        "-initrd", spec.InitramfsPath,
        "-append", string.Join(' ', [
            "console=ttyS0", "quiet", "panic=-1", "reboot=t", "cryptomgr.notests", "rcupdate.rcu_expedited=1",
            .. acceleration.KernelArguments, .. spec.DiskArguments, .. spec.KernelArguments,
        ]),
    ];

    /// <summary>Our end of standard output is always read, so a guest that floods its console never stops QEMU for long.</summary>
    private static string[] Console() => ["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"];

    private static string[] Monitor(string socket) =>
        ["-chardev", $"socket,id=qmp,path={Escape(socket)}", "-mon", "chardev=qmp,mode=control"];

    private static string[] Agent(string socket) =>
    [
        "-chardev", $"socket,id=agent,path={Escape(socket)}",
        // Port 0 is a console's; by default there would be 31, each with two queues the guest sets up one by one (50 ms).
        "-device", "virtio-serial-device,max_ports=2",
        "-device", $"virtserialport,chardev=agent,name={AgentPortName}",
    ];

    private static string[] RootDisk(string path) =>
    [
        "-blockdev", $"driver=file,node-name=root-file,filename={Escape(path)},read-only=on,auto-read-only=off,{KeepCache}",
        "-blockdev", "driver=raw,node-name=root,file=root-file,read-only=on",
        "-device", $"virtio-blk-device,drive=root,serial={RootSerial}",
    ];

    private static string[] ReadOnlyDisk(JobDisk disk) =>
    [
        "-blockdev", $"driver=file,node-name={disk.Name}-file,filename={Escape(disk.Path)},read-only=on,auto-read-only=off,{KeepCache}",
        "-blockdev", $"driver=raw,node-name={disk.Name},file={disk.Name}-file,read-only=on",
        "-device", $"virtio-blk-device,drive={disk.Name},serial={DiskSerial(disk)}",
    ];

    /// <summary>The scratch disk does not outlive its machine, so a guest's flush need not reach the platter (no-flush).</summary>
    private static string[] ScratchDisk(string path) =>
    [
        "-blockdev", $"driver=file,node-name=scratch-file,filename={Escape(path)},aio=threads,{KeepCache},{ScratchOptions}",
        "-blockdev", $"driver=raw,node-name=scratch,file=scratch-file,detect-zeroes=off,{ScratchOptions}",
        "-device", $"virtio-blk-device,drive=scratch,serial={ScratchSerial}",
    ];

    /// <summary>In QEMU's option lists a comma ends a value and two stand for one.</summary>
    private static string Escape(string value) => value.Replace(",", ",,");
}
