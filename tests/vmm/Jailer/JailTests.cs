using System.Globalization;
using Xunit;

namespace RunnerVm.Tests.Vmm.Jailer;

/// <summary>Real jails, described by a program within them and looked at from outside.</summary>
public sealed class JailTests
{
    [Theory]
    [InlineData("1234", "1235")]
    [InlineData("0", "0")]
    public void The_program_has_the_user_and_the_group_and_no_capability_whoever_that_is(string uid, string gid)
    {
        using var jail = new JailRun();
        // What a caller may have besides: groups, and capabilities that a change of user leaves alone.
        var process = jail.Start("set -- setpriv --groups 4,24 --inh-caps +net_admin,+sys_admin \"$@\"; ", "--uid", uid, "--gid", gid);
        process.StandardInput.Close();
        var facts = new Facts(process.StandardOutput.ReadToEnd());
        Assert.Equal("", process.StandardError.ReadToEnd());
        Assert.Equal(42, jail.Release(process));
        Assert.Equal($"{uid} {uid} {uid}", facts["uid"]);
        Assert.Equal($"{gid} {gid} {gid}", facts["gid"]);
        Assert.Equal("0", facts["groups"]);
        Assert.Equal("0 0", facts["capabilities"]);
        Assert.Equal(("0", "0", "1"), (facts["bounding"], facts["ambient"], facts["no_new_privs"]));
    }

    [Fact]
    public void The_root_directory_holds_the_program_and_devices_and_one_mount()
    {
        using var jail = new JailRun();
        var (process, facts) = jail.Hold();
        List<string> expected = ["/dev 40755 0:0", $"/{jail.Name} 100555 0:0", "/run 40700 1234:1235"];
        if (File.Exists("/dev/net/tun")) expected.AddRange(["/dev/net 40755 0:0", "/dev/net/tun 20600 1234:1235 10,200"]);
        if (File.Exists("/dev/kvm")) expected.Add("/dev/kvm 20600 1234:1235 10,232");
        if (File.Exists("/dev/urandom")) expected.Add("/dev/urandom 20600 1234:1235 1,9");
        var found = facts.All("tree").Where(static line => !line.StartsWith("/dev/userfaultfd", StringComparison.Ordinal));
        Assert.Equal(expected.Order(StringComparer.Ordinal), found.Order(StringComparer.Ordinal));
        Assert.Equal(File.Exists("/dev/userfaultfd"), facts.Text.Contains("/dev/userfaultfd", StringComparison.Ordinal));
        Assert.Equal("/", facts["folder"]);

        var mount = Assert.Single(File.ReadAllLines($"/proc/{process.Id}/mountinfo"));
        Assert.Contains($"{jail.Root} / ", mount, StringComparison.Ordinal);
        Assert.Equal(42, jail.Release(process));
    }

    [Fact]
    public void Devices_can_be_opened_by_the_prisoner()
    {
        using var jail = new JailRun();
        Assert.SkipUnless(File.Exists("/dev/kvm"), "There is no /dev/kvm.");
        Assert.Equal("/dev/kvm yes", jail.Run("--", "open", "/dev/kvm").Facts["open"]);
    }

    [Fact]
    public void No_file_of_the_caller_is_open_and_no_signal_blocked_or_ignored()
    {
        using var jail = new JailRun();
        var process = jail.Start("trap '' PIPE; exec 7</etc/passwd 9</; ");
        process.StandardInput.Close();
        var facts = new Facts(process.StandardOutput.ReadToEnd());
        Assert.Equal(42, jail.Release(process));
        Assert.Equal("0 1 2", facts["files"]);
        Assert.Empty(facts.All("blocked"));
        Assert.Empty(facts.All("ignored"));
    }

    [Fact]
    public void The_environment_is_empty_and_the_arguments_are_the_id_the_times_and_the_rest()
    {
        using var jail = new JailRun();
        var facts = jail.Run("--", "--version", "--", "", "two words").Facts;
        Assert.Empty(facts.All("variable"));
        var arguments = facts.All("argument");
        Assert.Equal([$"/{jail.Name}", "--id", "a-1", "--start-time-us"], arguments.Take(4));
        Assert.InRange(long.Parse(arguments[4], CultureInfo.InvariantCulture), 1, Environment.TickCount64 * 1000 + 10_000_000);
        Assert.Equal("--start-time-cpu-us", arguments[5]);
        Assert.InRange(long.Parse(arguments[6], CultureInfo.InvariantCulture), 1, 30_000_000);
        Assert.Equal(["--version", "--", "", "two words"], arguments.Skip(7));
    }

    [Fact]
    public void Limits_are_as_asked_and_open_files_have_one_always()
    {
        using var jail = new JailRun();
        var facts = jail.Run("--resource-limit", "fsize=250000", "--resource-limit", "no-file=123").Facts;
        Assert.Equal(("250000 250000", "123 123"), (facts["fsize"], facts["no-file"]));
        using var other = new JailRun();
        Assert.Equal("2048 2048", other.Run().Facts["no-file"]);
    }

    [Fact]
    public void A_folder_prepared_by_the_caller_keeps_what_is_in_it()
    {
        using var jail = new JailRun();
        Directory.CreateDirectory(Path.Combine(jail.Root, "disks"));
        File.WriteAllText(Path.Combine(jail.Root, "disks", "root.ext4"), "a disk");
        var (status, facts, _) = jail.Run();
        Assert.Equal(42, status);
        Assert.Contains(facts.All("tree"), static line => line.StartsWith("/disks/root.ext4", StringComparison.Ordinal));
    }

    [Fact]
    public void The_programs_status_and_signals_are_the_jailers()
    {
        using var jail = new JailRun();
        var (process, _) = jail.Hold();
        Assert.EndsWith(jail.Name[..15], File.ReadAllText($"/proc/{process.Id}/comm").Trim(), StringComparison.Ordinal);
        process.Kill();
        Assert.Equal(137, jail.Release(process));
    }

    [Fact]
    public void Our_monitor_starts_in_a_jail_made_by_the_program_compiled_ahead_of_time()
    {
        var (jailer, monitor) = (Path.Combine(JailRun.Programs, "runnervm-jailer"), Path.Combine(JailRun.Programs, "runnervm-vmm"));
        Assert.SkipUnless(File.Exists(jailer) && File.Exists(monitor), $"There is no {jailer} or {monitor}. Run .ci/prepare.");
        using var jail = new JailRun { Jailer = jailer };
        // Held to the same facts as the other build, first.
        var (process, facts) = jail.Hold();
        Assert.Equal(("1234 1234 1234", "0 0", "0 1 2"), (facts["uid"], facts["capabilities"], facts["files"]));
        Assert.Single(File.ReadAllLines($"/proc/{process.Id}/mountinfo"));
        Assert.Equal(42, jail.Release(process));

        jail.Program = monitor;
        var (status, output, errors) = jail.Run("--new-pid-ns", "--", "--no-such-argument");
        Assert.Equal((0, ""), (status, output.Text));
        Assert.Equal("There is no argument --no-such-argument. See --help.\n", errors);
    }

    [Fact]
    public void Nothing_is_left_of_a_jail_but_its_folder_and_its_cgroups()
    {
        var mounts = File.ReadAllText("/proc/mounts");
        string folder;
        using (var jail = new JailRun())
        {
            folder = jail.Base;
            Assert.Equal(42, jail.Run().Status);
            Assert.Empty(jail.Cgroups());
            Assert.DoesNotContain(jail.Base, File.ReadAllText("/proc/mounts"), StringComparison.Ordinal);
        }

        Assert.DoesNotContain(folder, File.ReadAllText("/proc/mounts"), StringComparison.Ordinal);
        Assert.DoesNotContain(folder, mounts, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder));
    }
}
