using RunnerVm.Vmm.Jailer;
using RunnerVm.Vmm.Jailer.Cgroups;
using Xunit;

namespace RunnerVm.Tests.Vmm.Jailer;

/// <summary>What is refused, with which sentence; and that nothing was touched where that is said.</summary>
public sealed class RefusalTests
{
    [Theory]
    [InlineData("--id", "../x", "--id ../x: it names a folder and a cgroup, so only letters, digits and hyphens.")]
    [InlineData("--id", "", "--id: it has 0 characters, and may have 1 to 64.")]
    [InlineData("--id", "12345678901234567890123456789012345678901234567890123456789012345", "--id: it has 65 characters, and may have 1 to 64.")]
    [InlineData("--id", "a\u00e9", "--id a\u00e9: it names a folder and a cgroup, so only letters, digits and hyphens.")]
    [InlineData("--uid", "-1", "--uid -1: a number from 0 to 4294967294.")]
    [InlineData("--gid", "4294967295", "--gid 4294967295: a number from 0 to 4294967294.")]
    [InlineData("--uid", "root", "--uid root: a number from 0 to 4294967294.")]
    [InlineData("--exec-file", "", "--exec-file: the path is empty.")]
    public void What_is_needed_is_checked(string name, string value, string sentence)
    {
        List<string> arguments = ["--id", "a-1", "--exec-file", "/bin/true", "--uid", "1", "--gid", "1"];
        arguments[arguments.IndexOf(name) + 1] = value;
        Assert.Equal([sentence], ArgumentParser.Parse(arguments).Problems);
    }

    [Theory]
    [InlineData("--cgroup-version 3", "--cgroup-version 3: 1 or 2.")]
    [InlineData("--cgroup cpu.shares", "--cgroup cpu.shares: FILE=VALUE with a controller's file, such as cpu.shares=512.")]
    [InlineData("--cgroup ../../x.y=1", "--cgroup ../../x.y=1: FILE=VALUE with a controller's file, such as cpu.shares=512.")]
    [InlineData("--cgroup cgroup.procs=1", "--cgroup cgroup.procs=1: FILE=VALUE with a controller's file, such as cpu.shares=512.")]
    [InlineData("--cgroup .x=1", "--cgroup .x=1: FILE=VALUE with a controller's file, such as cpu.shares=512.")]
    [InlineData("--parent-cgroup ../x", "--parent-cgroup ../x: a path below the hierarchy's mount, such as machines/small, without . and ..")]
    [InlineData("--parent-cgroup /x", "--parent-cgroup /x: a path below the hierarchy's mount, such as machines/small, without . and ..")]
    [InlineData("--resource-limit cpu=1", "--resource-limit cpu=1: fsize=BYTES (4096 or more) or no-file=NUMBER.")]
    [InlineData("--resource-limit fsize=lots", "--resource-limit fsize=lots: fsize=BYTES (4096 or more) or no-file=NUMBER.")]
    [InlineData("--resource-limit fsize=0", "--resource-limit fsize=0: fsize=BYTES (4096 or more) or no-file=NUMBER.")]
    [InlineData("--id b", "--id is given twice.")]
    [InlineData("--netns", "--netns lacks its value.")]
    [InlineData("--netns --", "--netns lacks its value.")]
    [InlineData("--no-such thing", "--no-such: there is no such argument (those of the program come after --).|thing: there is no such argument (those of the program come after --).")]
    public void What_may_be_given_is_checked(string more, string sentences)
    {
        var (_, problems) = ArgumentParser.Parse([.. "--id a-1 --exec-file /bin/true --uid 1 --gid 1".Split(' '), .. more.Split(' ')]);
        Assert.Equal(sentences.Split('|'), problems);
    }

    [Fact]
    public void All_problems_come_at_once_and_nothing_is_made()
    {
        using var jail = new JailRun();
        var folder = Directory.CreateDirectory(Path.Combine(jail.Base, "folder")).FullName;
        var (status, _, errors) = jail.Run("--id", "a/b", "--uid", "x", "--exec-file", folder, "--netns", "/no/such", "--cgroup", "no.such=1");
        Assert.Equal(2, status);
        Assert.Equal(
            [
                "runnervm-jailer: --id a/b: it names a folder and a cgroup, so only letters, digits and hyphens.",
                "runnervm-jailer: --uid x: a number from 0 to 4294967294.",
                $"runnervm-jailer: --exec-file {folder}: a program is a regular file, and this is none.",
                "runnervm-jailer: Cannot open /no/such: no such file or directory (ENOENT). Make it: ip netns add NAME.",
                "runnervm-jailer: --cgroup no.such=1: no hierarchy of version 1 with the controller no is mounted. Mount it, or try --cgroup-version 2.",
            ],
            errors.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal([folder], Directory.GetFileSystemEntries(jail.Base));
    }

    [Fact]
    public void A_link_to_the_program_is_refused_and_the_program_named()
    {
        using var jail = new JailRun();
        var link = Path.Combine(jail.Base, "link");
        File.CreateSymbolicLink(link, jail.Program);
        var (status, _, errors) = jail.Run("--exec-file", link);
        Assert.Equal((2, $"runnervm-jailer: --exec-file {link}: a symbolic link, and the jail's folder has the program's own name. Name the program: {jail.Program}.\n"), (status, errors));
    }

    [Fact]
    public void A_program_that_is_not_there_or_not_executable_is_refused()
    {
        using var jail = new JailRun();
        File.SetUnixFileMode(jail.Program, UnixFileMode.UserRead);
        Assert.Equal($"runnervm-jailer: --exec-file {jail.Program}: not executable. chmod +x it, if it is the program.\n", jail.Run().Errors);
        File.Delete(jail.Program);
        Assert.Equal($"runnervm-jailer: Cannot open {jail.Program}: no such file or directory (ENOENT). Correct the path.\n", jail.Run().Errors);
    }

    [Fact]
    public void A_parent_cgroup_of_version_2_without_values_has_to_be_there()
    {
        using var jail = new JailRun();
        List<string> problems = [];
        var request = new JailRequest { ExecFile = jail.Program, CgroupVersion = 2, ParentCgroup = "prepared" };
        Assert.Empty(CgroupPlan.Make(request, [new(jail.Base, 2, [])], problems));
        Assert.Equal([$"--parent-cgroup prepared: {jail.Base}/prepared is not there, and without --cgroup none is made. Make it, or say --cgroup."], problems);
        Directory.CreateDirectory($"{jail.Base}/prepared");
        Assert.IsType<PreparedCgroup>(Assert.Single(CgroupPlan.Make(request, [new(jail.Base, 2, [])], problems)));
    }

    [Fact]
    public void A_missing_base_is_refused()
    {
        using var jail = new JailRun();
        var missing = Path.Combine(jail.Base, "missing");
        var request = ArgumentParser.Parse(["--id", "a-1", "--exec-file", jail.Program, "--uid", "1", "--gid", "1", "--chroot-base-dir", missing]).Request;
        var (materials, problems) = JailMaterials.Gather(request);
        using (materials) Assert.Equal([$"--chroot-base-dir {missing}: no such folder. Make it: mkdir -p {missing}."], problems);
    }

    [Theory]
    [InlineData("program")]
    [InlineData("a-1")]
    [InlineData("root")]
    public void A_link_in_the_way_to_the_jail_is_refused(string which)
    {
        using var jail = new JailRun();
        var elsewhere = Directory.CreateDirectory(Path.Combine(jail.Base, "elsewhere")).FullName;
        var id = Path.GetDirectoryName(jail.Root)!;
        var inTheWay = which switch { "root" => jail.Root, "a-1" => id, _ => Path.GetDirectoryName(id)! };
        Directory.CreateDirectory(Path.GetDirectoryName(inTheWay)!);
        Directory.CreateSymbolicLink(inTheWay, elsewhere);
        var (status, _, errors) = jail.Run();
        Assert.Equal((125, $"runnervm-jailer: Cannot open the folder {inTheWay}: not a directory (ENOTDIR). "
            + "Something else of that name is there (a file, or a symbolic link). Remove it.\n"), (status, errors));
        Assert.Empty(Directory.GetFileSystemEntries(elsewhere));
    }

    [Theory]
    [InlineData("dev")]
    [InlineData("run")]
    public void A_link_planted_in_the_jail_is_not_written_through(string name)
    {
        using var jail = new JailRun();
        Directory.CreateDirectory(Path.Combine(jail.Root, "elsewhere"));
        Directory.CreateSymbolicLink(Path.Combine(jail.Root, name), "/elsewhere");
        var (status, _, errors) = jail.Run();
        Assert.Equal(125, status);
        Assert.StartsWith($"runnervm-jailer: Cannot open the folder /{name}: not a directory (ENOTDIR).", errors, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(jail.Root, "elsewhere")));
    }

    [Fact]
    public void A_second_machine_of_an_id_is_refused()
    {
        using var jail = new JailRun();
        Assert.Equal(42, jail.Run().Status);
        var (status, _, errors) = jail.Run();
        Assert.Equal((125, $"runnervm-jailer: Cannot make the file /{jail.Name}: file exists (EEXIST). A machine of this id was here before: remove its folder, or choose another id.\n"), (status, errors));
    }

    [Fact]
    public void A_program_that_wants_a_loader_is_told_so()
    {
        using var jail = new JailRun();
        File.Copy("/bin/true", jail.Program, overwrite: true);
        var (status, _, errors) = jail.Run();
        Assert.Equal(126, status);
        Assert.Contains("no such file or directory (ENOENT). The program itself is there, so the loader", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void Controllers_mounted_together_are_one_cgroup_and_unknown_ones_are_named()
    {
        var mounts = CgroupMounts.Parse(
        [
            "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,cpu,cpuacct 0 0",
            @"cgroup /mnt/my\040pids cgroup rw,pids 0 0",
            "tmpfs /tmp tmpfs rw 0 0",
        ]);
        Assert.Equal(["/sys/fs/cgroup/cpu,cpuacct", "/mnt/my pids"], mounts.Select(static mount => mount.Path));
        var request = new JailRequest { ExecFile = "/bin/vmm", CgroupValues = [new("cpu.shares", "1"), new("cpuacct.usage", "0"), new("pids.max", "1")] };
        List<string> problems = [];
        Assert.Equal(2, CgroupPlan.Make(request, mounts, problems).Count);
        Assert.Empty(problems);
        Assert.Empty(CgroupPlan.Make(request with { CgroupVersion = 2 }, mounts, problems));
        Assert.Equal(["--cgroup-version 2: no hierarchy of version 2 is mounted. Mount it (mount -t cgroup2 none /sys/fs/cgroup), or use version 1."], problems);
    }
}
