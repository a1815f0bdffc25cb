using System.Text;
using RunnerVm.Machines;
using RunnerVm.Machines.Firecracker;
using RunnerVm.Store;
using Xunit;

namespace RunnerVm.Tests.Executor.Machines.Firecracker;

/// <summary>The driver's side of Firecracker's API, with a script in the monitor's place; real monitors are met in tests/vmm and the lab.</summary>
public sealed class FirecrackerEngineTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("rv").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact(Timeout = 60_000)]
    public async Task A_machine_is_described_request_by_request_and_its_stream_is_the_agents_connection()
    {
        WriteMonitor("reply = '204 No Content', b''", "agent('hello from the agent')");
        await using var machine = await Engine().StartAsync(Spec(), TestContext.Current.CancellationToken);
        var hello = new byte[20];
        await machine.GuestStream.ReadExactlyAsync(hello, TestContext.Current.CancellationToken);
        Assert.Equal("hello from the agent", Encoding.ASCII.GetString(hello));

        var requests = await File.ReadAllLinesAsync(Path.Combine(_root, "requests"), TestContext.Current.CancellationToken);
        Assert.Equal(
        [
            """PUT /machine-config {"vcpu_count":2,"mem_size_mib":512}""",
            $$"""PUT /boot-source {"kernel_image_path":"{{_root}}/kernel","initrd_path":"{{_root}}/initramfs","boot_args":"console=ttyS0 quiet panic=-1 reboot=k cryptomgr.notests rcupdate.rcu_expedited=1 runnervm_vsock=1024"}""",
            $$"""PUT /drives/root {"drive_id":"root","path_on_host":"{{_root}}/root","is_root_device":false,"is_read_only":true,"cache_type":"Unsafe"}""",
            $$"""PUT /drives/scratch {"drive_id":"scratch","path_on_host":"{{_root}}/scratch","is_root_device":false,"is_read_only":false,"cache_type":"Unsafe"}""",
            $$"""PUT /vsock {"guest_cid":3,"uds_path":"{{_root}}/run/vsock"}""",
            """PUT /actions {"action_type":"InstanceStart"}""",
        ], requests);
        Assert.False(File.Exists(Path.Combine(_root, "scratch")), "The scratch disk's name outlived the start.");
    }

    [Fact(Timeout = 60_000)]
    public async Task A_machine_is_laid_down_and_restored_by_names_in_its_own_folder()
    {
        WriteMonitor("reply = '204 No Content', b''", "threading.Thread(target=agent, args=('hello',), daemon=True).start()");
        var files = new SnapshotFiles(Path.Combine(_root, "memory"), Path.Combine(_root, "state"));
        await using (var machine = await Engine().StartForSnapshotAsync(Spec(), files, TestContext.Current.CancellationToken))
        {
            await machine.GuestStream.ReadExactlyAsync(new byte[5], TestContext.Current.CancellationToken);
            Assert.True(File.Exists(Path.Combine(_root, "scratch")));
            await machine.SaveAsync(TestContext.Current.CancellationToken);
            Assert.False(Directory.Exists($"/proc/{machine.ProcessId}"));
        }

        var requests = await File.ReadAllLinesAsync(Path.Combine(_root, "requests"), TestContext.Current.CancellationToken);
        Assert.Equal(
        [
            """PUT /drives/root {"drive_id":"root","path_on_host":"root","is_root_device":false,"is_read_only":true,"cache_type":"Unsafe"}""",
            """PUT /drives/scratch {"drive_id":"scratch","path_on_host":"scratch","is_root_device":false,"is_read_only":false,"cache_type":"Unsafe"}""",
            """PUT /vsock {"guest_cid":3,"uds_path":"vsock"}""",
            """PUT /actions {"action_type":"InstanceStart"}""",
            """PATCH /vm {"state":"Paused"}""",
            $$"""PUT /snapshot/create {"snapshot_type":"Full","snapshot_path":"{{_root}}/state","mem_file_path":"{{_root}}/memory"}""",
        ], requests[2..]);

        File.Delete(Path.Combine(_root, "requests"));
        Directory.Delete(Path.Combine(_root, "run"), recursive: true);
        await using var copy = await Engine().RestoreAsync(Spec(), files, Task.CompletedTask, TestContext.Current.CancellationToken);
        await copy.GuestStream.ReadExactlyAsync(new byte[5], TestContext.Current.CancellationToken);
        Assert.Equal(
            [$$"""PUT /snapshot/load {"snapshot_path":"{{_root}}/state","mem_backend":{"backend_type":"File","backend_path":"{{_root}}/memory"},"resume_vm":true}"""],
            await File.ReadAllLinesAsync(Path.Combine(_root, "requests"), TestContext.Current.CancellationToken));
        Assert.False(File.Exists(Path.Combine(_root, "scratch")), "The scratch disk's name outlived the start.");
        Assert.Equal(Path.Combine(_root, "root"), File.ResolveLinkTarget(Path.Combine(_root, "run", "root"), false)!.FullName);
        Assert.Equal(Path.Combine(_root, "run"), File.ResolveLinkTarget($"/proc/{copy.ProcessId}/cwd", false)!.FullName);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_refusal_is_told_in_the_monitors_own_words_and_nothing_is_left()
    {
        WriteMonitor("reply = '400 Bad Request', b'{\"fault_message\":\"The kernel file cannot be opened.\"}'", "pass");
        var problem = await Assert.ThrowsAsync<MachineException>(() => Engine().StartAsync(Spec(), TestContext.Current.CancellationToken));
        Assert.Equal(
            "Cannot start a machine: its monitor refuses /machine-config with status 400: The kernel file cannot be opened.", problem.Message);
        Assert.DoesNotContain(Directory.GetFileSystemEntries(Path.Combine(_root, "run")), path => path.EndsWith("_1024", StringComparison.Ordinal));
    }

    [Fact(Timeout = 60_000)]
    public async Task A_monitor_that_ends_at_once_is_quoted()
    {
        WriteProgram("#!/bin/sh\necho 'Cannot open /dev/kvm.' >&2\nexit 3\n");
        var problem = await Assert.ThrowsAsync<MachineException>(() => Engine().StartAsync(Spec(), TestContext.Current.CancellationToken));
        Assert.Equal("runnervm-vmm ended at once with status 3: Cannot open /dev/kvm.", problem.Message);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_monitor_that_a_signal_ended_without_a_word_is_told_by_the_signal_and_the_end_of_its_log()
    {
        WriteProgram("#!/bin/sh\nfor line in one two three four; do echo $line; done\nkill -ABRT $$\n");
        var problem = await Assert.ThrowsAsync<MachineException>(() => Engine().StartAsync(Spec(), TestContext.Current.CancellationToken));
        Assert.StartsWith("runnervm-vmm ended at once with status 134 (SIGABRT): ", problem.Message, StringComparison.Ordinal);
        Assert.EndsWith(" Its log ends with: two / three / four", problem.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_machine_that_ends_before_its_agent_came_has_a_stream_at_its_end()
    {
        WriteMonitor("reply = '204 No Content', b''", "sys.exit(0)");
        await using var machine = await Engine().StartAsync(Spec(), TestContext.Current.CancellationToken);
        Assert.Equal(0, await machine.GuestStream.ReadAsync(new byte[1], TestContext.Current.CancellationToken));
        await Assert.ThrowsAsync<IOException>(async () => await machine.GuestStream.WriteAsync(new byte[1], TestContext.Current.CancellationToken));
    }

    [Fact(Timeout = 60_000)]
    public async Task Disposing_ends_the_wait_for_the_agent()
    {
        WriteMonitor("reply = '204 No Content', b''", "threading.Event().wait()");
        var machine = await Engine().StartAsync(Spec(), TestContext.Current.CancellationToken);
        var reading = machine.GuestStream.ReadAsync(new byte[1], TestContext.Current.CancellationToken).AsTask();
        await machine.DisposeAsync();
        Assert.Equal(0, await reading);
        Assert.False(Directory.Exists($"/proc/{machine.ProcessId}"));
    }

    [Fact]
    public async Task Where_KVM_is_emulated_the_reason_has_the_probes_figure()
    {
        WriteProgram("#!/bin/sh\necho '{\"kvm\":true,\"api\":12,\"iterationsPerSecond\":700000,\"real\":false,\"reason\":\"x\",\"fix\":null,\"tscKhz\":0}'\n");
        var availability = await Engine().CheckAvailabilityAsync(TestContext.Current.CancellationToken);
        Assert.False(availability.Available);
        Assert.Equal(
            "KVM is emulated on this host and cannot run a Linux guest (0.7 million iterations/s in guest ring 0; above 50 million it is real)",
            availability.Reason);
    }

    [Fact]
    public async Task Where_KVM_is_real_the_programs_own_version_is_the_detail()
    {
        WriteProgram("#!/bin/sh\n[ $1 = --version ] && echo 'RunnerVm v7.7.7' || "
            + "echo '{\"kvm\":true,\"api\":12,\"iterationsPerSecond\":190000000,\"real\":true,\"reason\":null,\"fix\":null,\"tscKhz\":0}'\n");
        Assert.Equal(new EngineAvailability(true, "RunnerVm v7.7.7"), await Engine().CheckAvailabilityAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_firecracker_that_is_nowhere_says_where_to_get_one()
    {
        var facts = Facts();
        var engine = new FirecrackerEngine(FirecrackerProgram.Theirs with { Folder = _root }, new RingZeroProbe(_root, facts, TimeProvider.System), facts, TimeProvider.System);
        var availability = await engine.CheckAvailabilityAsync(TestContext.Current.CancellationToken);
        Assert.Equal($"firecracker is not in {_root}", availability.Reason);
        Assert.Contains("releases", availability.Fix, StringComparison.Ordinal);
    }

    private FirecrackerEngine Engine()
    {
        var facts = Facts();
        return new(FirecrackerProgram.Ours(_root), new RingZeroProbe(_root, facts, TimeProvider.System), facts, TimeProvider.System);
    }

    private FactCache Facts() => new(new DataDirectory(Path.Combine(_root, "data")));

    private MachineSpec Spec()
    {
        foreach (var file in new[] { "kernel", "initramfs", "root", "scratch" }) File.WriteAllText(Path.Combine(_root, file), file);
        Directory.CreateDirectory(Path.Combine(_root, "run"));
        return new()
        {
            Id = "job-1",
            RunDirectory = Path.Combine(_root, "run"),
            KernelPath = Path.Combine(_root, "kernel"),
            InitramfsPath = Path.Combine(_root, "initramfs"),
            RootImagePath = Path.Combine(_root, "root"),
            ScratchDiskPath = Path.Combine(_root, "scratch"),
            Cpus = 2,
            MemoryMib = 512,
        };
    }

    /// <summary>A monitor that notes each request, answers each alike, and after the start does as told.</summary>
    private void WriteMonitor(string reply, string afterStart) => WriteProgram($$"""
        #!/usr/bin/python3
        import socket, sys, threading
        path = sys.argv[sys.argv.index('--api-sock') + 1]
        {{reply}}
        def agent(text):
            s = socket.socket(socket.AF_UNIX)
            s.connect(path[:-len('api')] + 'vsock_1024')
            s.sendall(text.encode())
            threading.Event().wait()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(8)
        while True:
            connection = listener.accept()[0]
            stream = connection.makefile('rwb')
            while True:
                line = stream.readline()
                if not line: break
                length = 0
                while True:
                    header = stream.readline().strip().lower()
                    if not header: break
                    if header.startswith(b'content-length:'): length = int(header.split(b':')[1])
                body = stream.read(length)
                with open('{{_root}}/requests', 'a') as log: log.write(line.decode().rsplit(' ', 1)[0] + ' ' + body.decode() + '\n')
                stream.write(f'HTTP/1.1 {reply[0]}\r\nContent-Length: {len(reply[1])}\r\n\r\n'.encode() + reply[1])
                stream.flush()
                if b'InstanceStart' in body or b'resume_vm' in body:
                    {{afterStart}}

        """);

    private void WriteProgram(string text)
    {
        var path = Path.Combine(_root, RingZeroProbe.Program);
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
