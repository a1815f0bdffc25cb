using System.Diagnostics;
using System.Text;
using RunnerVm.Jobs;
using RunnerVm.Machines;
using RunnerVm.Machines.Qemu;
using Xunit;

namespace RunnerVm.Tests.Executor.Machines.Qemu;

/// <summary>Real machines around a kernel of thirty lines.</summary>
public sealed class QemuEngineTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact(Timeout = 60_000)]
    public async Task A_guest_that_resets_ends_the_process_with_status_0_and_its_console_is_kept()
    {
        using var guest = await TestGuest.CreateAsync();
        await using var machine = await Engine(guest).StartAsync(guest.Spec("hello"), TestContext.Current.CancellationToken);
        var exit = await machine.Exited.WaitAsync(Patience);
        Assert.Equal(0, exit.ExitCode);
        Assert.Equal("hello from the guest\n", machine.ConsoleTail);
    }

    [Fact(Timeout = 60_000)]
    public async Task Once_started_the_scratch_disk_and_the_sockets_have_no_name_and_the_disk_is_open()
    {
        using var guest = await TestGuest.CreateAsync();
        await using var machine = await Engine(guest).StartAsync(guest.Spec("loop"), TestContext.Current.CancellationToken);
        Assert.False(File.Exists(guest.Scratch));
        Assert.Empty(Directory.GetFileSystemEntries(guest.Run));
        var open = new DirectoryInfo($"/proc/{machine.ProcessId}/fd").GetFiles().Select(file => file.LinkTarget).ToList();
        Assert.Contains(guest.Scratch + " (deleted)", open);
        Assert.Contains(guest.Spec("loop").RootImagePath, open);
        Assert.True(machine.GuestStream is { CanRead: true, CanWrite: true });
    }

    [Fact(Timeout = 60_000)]
    public async Task Disposing_kills_waits_and_may_be_repeated()
    {
        using var guest = await TestGuest.CreateAsync();
        var machine = await Engine(guest).StartAsync(guest.Spec("loop"), TestContext.Current.CancellationToken);
        Assert.True(Directory.Exists($"/proc/{machine.ProcessId}"));
        await machine.DisposeAsync();
        Assert.False(Directory.Exists($"/proc/{machine.ProcessId}"));
        Assert.Equal(137, (await machine.Exited).ExitCode);
        await machine.DisposeAsync();
    }

    [Fact(Timeout = 60_000)]
    public async Task A_guest_that_floods_its_console_costs_16_KiB_and_the_end_is_what_is_kept()
    {
        using var guest = await TestGuest.CreateAsync();
        await using var machine = await Engine(guest).StartAsync(guest.Spec("flood"), TestContext.Current.CancellationToken);
        await UntilAsync(() => machine.ConsoleTail.EndsWith("last\n", StringComparison.Ordinal));
        Assert.Equal(BoundedTail.DefaultCapacity, Encoding.UTF8.GetByteCount(machine.ConsoleTail));
        Assert.Contains("line 5999\n", machine.ConsoleTail, StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task No_control_character_of_a_guest_reaches_the_console_text()
    {
        using var guest = await TestGuest.CreateAsync();
        await using var machine = await Engine(guest).StartAsync(guest.Spec("bytes"), TestContext.Current.CancellationToken);
        await UntilAsync(() => machine.ConsoleTail.Contains("xyz{|}~", StringComparison.Ordinal));
        Assert.DoesNotContain(machine.ConsoleTail, c => char.IsControl(c) && c is not ('\n' or '\t'));
    }

    [Fact(Timeout = 60_000)]
    public async Task QEMU_sees_a_minimal_environment_its_own_session_and_no_core_dump()
    {
        Environment.SetEnvironmentVariable("RUNNERVM_TEST_SECRET", "hunter2hunter2");
        using var guest = await TestGuest.CreateAsync();
        await using var machine = await Engine(guest).StartAsync(guest.Spec("loop"), TestContext.Current.CancellationToken);
        var environment = (await File.ReadAllTextAsync($"/proc/{machine.ProcessId}/environ")).TrimEnd('\0').Split('\0');
        Assert.Equal(["LANG", "MALLOC_TOP_PAD_", "PATH"], environment.Select(entry => entry.Split('=')[0]).Order());
        var stat = (await File.ReadAllTextAsync($"/proc/{machine.ProcessId}/stat")).Split(") ")[^1].Split(' ');
        Assert.Equal($"{machine.ProcessId}", stat[3]); // session(5) of proc(5): its own, so no Ctrl-C of the terminal
        var limits = await File.ReadAllLinesAsync($"/proc/{machine.ProcessId}/limits");
        Assert.Matches("^Max core file size +0 +0 ", limits.Single(line => line.StartsWith("Max core", StringComparison.Ordinal)));
        var status = await File.ReadAllTextAsync($"/proc/{machine.ProcessId}/status");
        Assert.Contains("NoNewPrivs:\t1", status, StringComparison.Ordinal);
        Assert.Contains("Seccomp:\t2", status, StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_file_that_is_not_there_is_named()
    {
        using var guest = await TestGuest.CreateAsync();
        File.Delete(guest.Kernel);
        var problem = await Assert.ThrowsAsync<MachineException>(
            () => Engine(guest).StartAsync(guest.Spec("loop"), TestContext.Current.CancellationToken));
        Assert.Equal($"Cannot start a machine: its kernel {guest.Kernel} is not there.", problem.Message);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_kernel_that_is_none_is_told_in_QEMUs_words_and_nothing_is_left()
    {
        using var guest = await TestGuest.CreateAsync();
        await File.WriteAllTextAsync(guest.Kernel, new string('x', 5000));
        var problem = await Assert.ThrowsAsync<MachineException>(
            () => Engine(guest).StartAsync(guest.Spec("loop"), TestContext.Current.CancellationToken));
        Assert.StartsWith("QEMU ended at once with status 1: ", problem.Message, StringComparison.Ordinal);
        Assert.Contains("kernel", problem.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(guest.Run));
        Assert.True(File.Exists(guest.Scratch)); // its owner removes what no machine took over
    }

    [Fact(Timeout = 60_000)]
    public async Task A_run_directory_too_deep_for_a_socket_is_refused_with_the_cure()
    {
        using var guest = await TestGuest.CreateAsync();
        var deep = Directory.CreateDirectory(Path.Combine(guest.Folder, new string('d', 120))).FullName;
        var problem = await Assert.ThrowsAsync<MachineException>(
            () => Engine(guest).StartAsync(guest.Spec("loop") with { RunDirectory = deep }, TestContext.Current.CancellationToken));
        Assert.Contains("RUNNERVM_HOME", problem.Message, StringComparison.Ordinal);
    }

    [Fact(Timeout = 60_000)]
    public async Task Cancelling_a_start_leaves_no_process()
    {
        using var guest = await TestGuest.CreateAsync();
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var start = Engine(guest).StartAsync(guest.Spec("loop"), cancel.Token);
        await UntilAsync(() => File.Exists(Path.Combine(guest.Run, "agent")) || start.IsCompleted);
        await cancel.CancelAsync();
        try
        {
            await using var machine = await start; // it may have been quicker
        }
        catch (OperationCanceledException)
        {
        }

        Assert.DoesNotContain(guest.Folder, CommandLines(), StringComparison.Ordinal);
    }

    [Fact(Timeout = 90_000)]
    public async Task A_killed_parent_takes_its_machine_along()
    {
        using var guest = await TestGuest.CreateAsync();
        var (child, report) = await TestChild.StartAsync(
            typeof(QemuEngineTests), nameof(Child_starts_a_machine_and_waits), guest.Folder);
        using (child)
        {
            Assert.True(Directory.Exists($"/proc/{report.Split(' ')[0]}"));
            await child.KillAsync();
            await UntilAsync(() => !Directory.Exists($"/proc/{report.Split(' ')[0]}"), TestContext.Current.CancellationToken);
            Directory.Delete(report.Split(' ')[1], recursive: true);
        }
    }

    /// <summary>Before setpriv has asked for the signal, while QEMU connects, after: none may survive its parent.</summary>
    [Fact(Timeout = 120_000)]
    public async Task A_parent_killed_at_any_moment_of_a_start_leaves_no_machine()
    {
        using var guest = await TestGuest.CreateAsync();
        foreach (var milliseconds in new[] { 0, 5, 15, 40, 80 })
        {
            File.Delete(Path.Combine(guest.Folder, "report"));
            var (child, folder) = await TestChild.StartAsync(
                typeof(QemuEngineTests), nameof(Child_starts_a_machine_once_it_has_reported), guest.Folder);
            using (child)
            {
                await Task.Delay(milliseconds, TestContext.Current.CancellationToken);
                await child.KillAsync();
                await UntilAsync(() => !CommandLines().Contains(folder, StringComparison.Ordinal));
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    [Fact(Explicit = true)]
    public async Task Child_starts_a_machine_once_it_has_reported()
    {
        using var guest = await TestGuest.CreateAsync();
        TestChild.Report(guest.Folder);
        await using var machine = await Engine(guest).StartAsync(guest.Spec("loop"), default);
        await machine.Exited;
    }

    [Fact(Explicit = true)]
    public async Task Child_starts_a_machine_and_waits()
    {
        using var guest = await TestGuest.CreateAsync();
        await using var machine = await Engine(guest).StartAsync(guest.Spec("loop"), TestContext.Current.CancellationToken);
        TestChild.Report($"{machine.ProcessId} {guest.Folder}");
        await machine.Exited;
    }

    [Fact(Timeout = 60_000)]
    public async Task Four_processors_and_8_GiB_start()
    {
        using var guest = await TestGuest.CreateAsync();
        var spec = guest.Spec("hello") with { Cpus = 4, MemoryMib = 8192 };
        await using var machine = await Engine(guest).StartAsync(spec, TestContext.Current.CancellationToken);
        Assert.Equal(0, (await machine.Exited.WaitAsync(Patience)).ExitCode);
    }

    /// <summary>Emulated or real, KVM runs thirty lines of code: what is shown is that QEMU takes the command line.</summary>
    [Fact(Timeout = 60_000)]
    public async Task Where_the_probe_says_real_the_machine_is_KVMs()
    {
        using var guest = await TestGuest.CreateAsync();
        try
        {
            using var kvm = File.OpenHandle("/dev/kvm", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Assert.Skip("/dev/kvm cannot be opened: " + e.Message);
        }

        var programs = Directory.CreateDirectory(Path.Combine(guest.Folder, "programs")).FullName;
        var program = Path.Combine(programs, RingZeroProbe.Program);
        await File.WriteAllTextAsync(program,
            "#!/bin/sh\necho '{\"kvm\":true,\"api\":12,\"iterationsPerSecond\":190000000,\"real\":true,\"tscKhz\":1}'\n",
            TestContext.Current.CancellationToken);
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var engine = Engine(guest, programs: programs);
        var here = await engine.CheckAvailabilityAsync(TestContext.Current.CancellationToken);
        Assert.EndsWith(", KVM", here.Detail, StringComparison.Ordinal);
        await using var machine = await engine.StartAsync(guest.Spec("loop"), TestContext.Current.CancellationToken);
        await UntilAsync(() => machine.ConsoleTail.Contains("hello from the guest\n", StringComparison.Ordinal));
    }

    [Fact(Timeout = 60_000)]
    public async Task Availability_names_version_and_processor_and_says_what_is_missing()
    {
        using var guest = await TestGuest.CreateAsync();
        var here = await Engine(guest).CheckAvailabilityAsync(TestContext.Current.CancellationToken);
        Assert.True(here.Available);
        Assert.Matches(@"^QEMU \d+\.\d+\S*, (KVM|software CPU \(TCG\))$", here.Detail);

        var nowhere = await Engine(guest, searchPath: "/nonexistent").CheckAvailabilityAsync(TestContext.Current.CancellationToken);
        Assert.False(nowhere.Available);
        Assert.Equal("qemu-system-x86_64 is not in PATH", nowhere.Reason);
        Assert.Contains("apt-get install", nowhere.Fix, StringComparison.Ordinal);
    }

    /// <summary>Without the probe program next to it: on the software CPU, which is everywhere.</summary>
    internal static QemuEngine Engine(TestGuest guest, string? searchPath = null, string? programs = null)
    {
        var facts = new FactCache(guest.Data);
        var probe = new RingZeroProbe(programs ?? Path.Combine(guest.Folder, "no-programs"), facts, TimeProvider.System);
        return new(probe, new QemuProgram(facts, searchPath), TimeProvider.System);
    }

    private static string CommandLines()
    {
        var all = new StringBuilder();
        foreach (var folder in Directory.GetDirectories("/proc").Where(path => char.IsAsciiDigit(Path.GetFileName(path)[0])))
            try
            {
                all.AppendLine(File.ReadAllText(Path.Combine(folder, "cmdline")));
            }
            catch (IOException)
            {
                // It ended meanwhile.
            }

        return all.ToString();
    }

    private static async Task UntilAsync(Func<bool> condition, CancellationToken cancellationToken = default)
    {
        var watch = Stopwatch.StartNew();
        while (!condition())
        {
            Assert.True(watch.Elapsed < Patience, "It did not happen in time.");
            await Task.Delay(10, cancellationToken);
        }
    }
}
