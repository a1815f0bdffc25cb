using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace RunnerVm.Tests.Vmm.Jailer;

/// <summary>Namespaces, sessions, cgroups.</summary>
public sealed class JailProcessTests
{
    [Fact]
    public void The_mount_namespace_is_its_own_and_the_others_are_the_callers()
    {
        using var jail = new JailRun();
        var (process, _) = jail.Hold();
        Assert.NotEqual(Namespace("self", "mnt"), Namespace(process.Id, "mnt"));
        foreach (var kind in new[] { "net", "pid", "user", "ipc" }) Assert.Equal(Namespace("self", kind), Namespace(process.Id, kind));
        Assert.Equal(42, jail.Release(process));
    }

    [Fact]
    public void The_network_namespace_asked_for_is_joined()
    {
        using var jail = new JailRun();
        using var owner = Process.Start(new ProcessStartInfo("unshare", ["--net", "sh", "-c", "echo; read line"]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        owner.StandardOutput.ReadLine();
        var (process, _) = jail.Hold("--netns", $"/proc/{owner.Id}/ns/net");
        Assert.Equal(Namespace(owner.Id, "net"), Namespace(process.Id, "net"));
        Assert.NotEqual(Namespace("self", "net"), Namespace(process.Id, "net"));
        Assert.Equal(42, jail.Release(process));
        owner.StandardInput.Close();
        Assert.True(owner.WaitForExit(TimeSpan.FromSeconds(60)));
    }

    [Fact]
    public void A_handle_that_is_no_network_namespace_is_refused()
    {
        using var jail = new JailRun();
        var (status, _, errors) = jail.Run("--netns", "/proc/self/ns/uts");
        Assert.Equal(125, status);
        Assert.Equal("runnervm-jailer: Cannot join the network namespace /proc/self/ns/uts: invalid argument (EINVAL). "
            + "It has to be a network namespace's handle, as 'ip netns add NAME' makes in /run/netns.\n", errors);
    }

    [Fact]
    public void In_a_pid_namespace_the_program_is_process_1_and_a_file_has_its_number_outside()
    {
        using var jail = new JailRun();
        var (jailer, facts) = jail.Hold("--new-pid-ns");
        Assert.True(jailer.WaitForExit(TimeSpan.FromSeconds(60)));
        Assert.Equal(0, jailer.ExitCode);
        var pid = jail.PidOfFile();
        Assert.Equal("1", facts["pid"]);
        Assert.Equal(("1234 1234 1234", "0 0", "0 1 2"), (facts["uid"], facts["capabilities"], facts["files"]));
        Assert.NotEqual(Namespace("self", "pid"), Namespace(pid, "pid"));
        Assert.Single(File.ReadAllLines($"/proc/{pid}/mountinfo"));
        using var prisoner = Process.GetProcessById(pid);
        jail.Release(jailer);
        Assert.True(prisoner.WaitForExit(TimeSpan.FromSeconds(60)));
    }

    [Theory]
    [InlineData("--daemonize")]
    [InlineData("--daemonize", "--new-pid-ns")]
    public void A_daemon_leads_a_session_without_files_of_the_caller(params string[] options)
    {
        using var jail = new JailRun();
        var (status, output, errors) = jail.Run(options);
        Assert.Equal((0, "", ""), (status, output.Text, errors));
        var facts = new Facts(WaitForFile(Path.Combine(jail.Root, "facts")));
        var pid = options.Length == 2 ? "1" : jail.PidOfFile().ToString(CultureInfo.InvariantCulture);
        Assert.Equal((pid, pid), (facts["pid"], facts["session"]));
        Assert.Equal(["0 1,3", "1 1,3", "2 1,3"], facts.All("standard"));
        Assert.Equal("0 1 2", facts["files"]);
    }

    [Fact]
    public void A_daemon_that_cannot_start_says_so_before_the_jailer_ends()
    {
        using var jail = new JailRun();
        File.WriteAllText(jail.Program, "no program");
        var (status, _, errors) = jail.Run("--daemonize");
        Assert.Equal(126, status);
        Assert.Equal($"runnervm-jailer: Cannot start /{jail.Name} in the jail: exec format error (ENOEXEC). It is not a program for this processor.\n", errors);
    }

    [Fact]
    public void Cgroups_of_version_1_have_the_values_and_the_process()
    {
        Assert.SkipUnless(Mounted("cgroup", "cpuset") && Mounted("cgroup", "pids"), "No cgroup hierarchies of version 1 with cpuset and pids are mounted.");
        using var jail = new JailRun();
        var (process, _) = jail.Hold("--parent-cgroup", $"{jail.Name}/small", "--cgroup", "cpuset.cpus=0", "--cgroup", "pids.max=77");
        var cpuset = jail.Cgroups().Single(static path => path.Contains("/cpuset", StringComparison.Ordinal) && path.EndsWith("/small/a-1", StringComparison.Ordinal));
        Assert.Equal("0", File.ReadAllText($"{cpuset}/cpuset.cpus").Trim());
        Assert.NotEqual("", File.ReadAllText($"{cpuset}/cpuset.mems").Trim());
        var cgroups = File.ReadAllLines($"/proc/{process.Id}/cgroup");
        Assert.Contains(cgroups, line => line.EndsWith($"cpuset:/{jail.Name}/small/a-1", StringComparison.Ordinal));
        Assert.Contains(cgroups, line => line.EndsWith($"pids:/{jail.Name}/small/a-1", StringComparison.Ordinal));
        Assert.DoesNotContain(cgroups, line => line.Contains($"memory:/{jail.Name}", StringComparison.Ordinal));
        Assert.Equal(42, jail.Release(process));
    }

    [Fact]
    public void A_cgroup_of_version_2_has_the_value_and_the_process_even_of_a_pid_namespace()
    {
        Assert.SkipUnless(Mounted("cgroup2", ""), "No cgroup hierarchy of version 2 is mounted.");
        using var jail = new JailRun();
        var (jailer, _) = jail.Hold("--new-pid-ns", "--cgroup-version", "2", "--cgroup", "cgroup.max.depth=5");
        Assert.True(jailer.WaitForExit(TimeSpan.FromSeconds(60)));
        var pid = jail.PidOfFile();
        var cgroup = jail.Cgroups().Single(static path => path.EndsWith("/a-1", StringComparison.Ordinal));
        Assert.Equal("5", File.ReadAllText($"{cgroup}/cgroup.max.depth").Trim());
        Assert.Contains($"0::/{jail.Name}/a-1", File.ReadAllLines($"/proc/{pid}/cgroup"));
        using var prisoner = Process.GetProcessById(pid);
        jail.Release(jailer);
        Assert.True(prisoner.WaitForExit(TimeSpan.FromSeconds(60)));
    }

    [Fact]
    public void A_controller_of_version_2_is_handed_down_to_the_cgroup()
    {
        var mount = File.ReadAllLines("/proc/mounts").Select(static line => line.Split(' ')).FirstOrDefault(static fields => fields[2] == "cgroup2")?[1];
        Assert.SkipUnless(mount is not null && File.ReadAllText($"{mount}/cgroup.controllers").Contains("hugetlb", StringComparison.Ordinal),
            "No cgroup hierarchy of version 2 with the controller hugetlb is mounted.");
        var before = File.ReadAllText($"{mount}/cgroup.subtree_control");
        try
        {
            using var jail = new JailRun();
            Assert.Equal(42, jail.Run("--cgroup-version", "2", "--cgroup", "hugetlb.2MB.max=4194304").Status);
            var cgroup = jail.Cgroups().Single(static path => path.EndsWith("/a-1", StringComparison.Ordinal));
            Assert.Equal("4194304", File.ReadAllText($"{cgroup}/hugetlb.2MB.max").Trim());
        }
        finally
        {
            if (!before.Contains("hugetlb", StringComparison.Ordinal)) File.WriteAllText($"{mount}/cgroup.subtree_control", "-hugetlb");
        }
    }

    [Fact]
    public void A_value_the_kernel_refuses_is_told_with_its_file()
    {
        Assert.SkipUnless(Mounted("cgroup", "pids"), "No cgroup hierarchy of version 1 with pids is mounted.");
        using var jail = new JailRun();
        var (status, _, errors) = jail.Run("--cgroup", "pids.max=many");
        Assert.Equal(125, status);
        Assert.Contains($"Cannot write 'many' to ", errors, StringComparison.Ordinal);
        Assert.Contains($"/{jail.Name}/a-1/pids.max: invalid argument (EINVAL). The kernel does not take this value for this file.", errors, StringComparison.Ordinal);
    }

    private static string Namespace(object process, string kind) => new FileInfo($"/proc/{process}/ns/{kind}").LinkTarget!;

    private static bool Mounted(string kind, string controller) =>
        File.ReadAllLines("/proc/mounts").Select(static line => line.Split(' '))
            .Any(fields => fields[2] == kind && (controller.Length == 0 || fields[3].Split(',').Contains(controller)));

    private static string WaitForFile(string path)
    {
        using var watcher = new FileSystemWatcher(Path.GetDirectoryName(path)!);
        using var there = new ManualResetEventSlim();
        watcher.Renamed += (_, _) => there.Set();
        watcher.EnableRaisingEvents = true;
        if (!File.Exists(path)) Assert.True(there.Wait(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken));
        return File.ReadAllText(path);
    }
}
