using System.Text.Json;
using RunnerVm.Machines;
using RunnerVm.Machines.Gvisor;
using Xunit;

namespace RunnerVm.Tests.Executor.Machines.Gvisor;

public sealed class SandboxBundleTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("rvbundle").FullName;

    private MachineSpec Spec => new()
    {
        Id = "job-1",
        RunDirectory = _folder,
        KernelPath = "",
        InitramfsPath = "",
        RootImagePath = "/images/debian.root",
        ScratchDiskPath = "",
        Cpus = 2,
        MemoryMib = 512,
    };

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Of_the_host_a_sandbox_is_given_the_agent_and_the_folder_of_the_socket_read_only()
    {
        SandboxBundle.Write(_folder, Spec, "/programs/agent", "/runs/1/host");
        using var config = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(_folder, "config.json")));
        var root = config.RootElement;
        Assert.Equal("/images/debian.root", root.GetProperty("root").GetProperty("path").GetString());
        Assert.Equal("job-1", root.GetProperty("hostname").GetString());
        var bound = root.GetProperty("mounts").EnumerateArray().Where(static m => m.GetProperty("type").GetString() == "bind").ToList();
        Assert.Equal(["/programs/agent", "/runs/1/host"], bound.Select(static m => m.GetProperty("source").GetString()));
        Assert.All(bound, static m => Assert.Contains("ro", m.GetProperty("options").EnumerateArray().Select(static o => o.GetString())));
        var socket = Assert.Single(root.GetProperty("process").GetProperty("env").EnumerateArray()).GetString();
        Assert.Equal($"runnervm_socket={bound[1].GetProperty("destination").GetString()}/{SandboxBundle.SocketName}", socket);
    }

    [Fact]
    public void The_command_line_bounds_disk_and_processors_and_gives_no_network()
    {
        var folders = SandboxFolders.Create(_folder);
        var (program, arguments) = RunscCommandLine.Build("/usr/bin/runsc", new("20221219", "ptrace", NamesMedium: false), Spec, [0, 3], (20L << 30) + 1, folders);
        Assert.Equal("prlimit", program);
        Assert.Equal([$"--fsize={21L << 30}", "taskset", "--cpu-list", "0,3", "/usr/bin/runsc"], arguments.Take(5));
        Assert.Contains("--network=none", arguments);
        Assert.Contains("--platform=ptrace", arguments);
        Assert.Contains($"--overlay2=root:{folders.Disk}", arguments);
        Assert.Equal(!Environment.IsPrivilegedProcess, arguments.Contains("--rootless"));
        Assert.Equal(["run", $"--bundle={folders.Bundle}", "job-1"], arguments.TakeLast(3));
        Assert.All(new[] { folders.Bundle, folders.State, folders.Disk, folders.Host }, static folder => Assert.True(Directory.Exists(folder)));
    }
}
