using RunnerVm.Tests.Vmm.Machine;
using Xunit;

namespace RunnerVm.Tests.Vmm.Start;

/// <summary>How the program begins and ends: exit codes and last words.</summary>
public sealed class ProgramTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("program-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Wrong_arguments_are_153() =>
        Assert.Equal((153, "", "There is no argument --api-socket. Did you mean --api-sock? See --help.\n"), MonitorProgram.Run("--api-socket", "/a"));

    [Fact]
    public void The_version_names_the_API_it_speaks()
    {
        var (status, output, _) = MonitorProgram.Run("--version");
        Assert.Equal(0, status);
        Assert.Matches(@"^runnervm-vmm \S+ \(API of Firecracker 1\.\d+\.\d+\)\n$", output);
    }

    [Theory]
    [InlineData("{", "Cannot read the configuration file {file} as JSON (line 1, byte 2): Expected depth to be zero at the end of the JSON payload. There is an open JSON object or array that should be closed.")]
    [InlineData("{}", "boot-source: missing. It takes an object with kernel_image_path.")]
    [InlineData("""{"boot-source": {"kernel_image_path": "/nowhere"}, "machine-config": {"vcpu_count": 0, "mem_size_mib": 128}}""",
        "machine-config.vcpu_count: must be a whole number from 1 to 32; it is 0.")]
    [InlineData("""{"boot-source": {"kernel_image_path": "{dir}"}}""", "kernel_image_path: {dir} is a directory. Give a file.")]
    [InlineData("""{"boot-source": {"kernel_image_path": "{file}"}}""", "kernel_image_path: {file} is no kernel: neither ELF nor a bzImage. Give a vmlinux or a bzImage.")]
    [InlineData("""{"boot-source": {"kernel_image_path": "/a"}, "drive": []}""", "drive: there is no such field. Did you mean drives? Known here: *")]
    [InlineData("""{"boot-source": {"kernel_image_path": "/a"}, "network-interfaces": [{"iface_id": "a", "host_dev_name": "t", "mtu": 1}]}""",
        "network-interfaces[0].mtu: must be a whole number from 68 to 65535; it is 1.")]
    public void A_configuration_file_that_is_wrong_is_152_with_the_place(string content, string sentence)
    {
        var file = Path.Combine(_folder, "machine.json");
        File.WriteAllText(file, Fill(content));
        var (status, _, errors) = MonitorProgram.Run("--no-api", "--config-file", file);
        Assert.Equal(152, status);
        Assert.StartsWith(Fill(sentence).TrimEnd('*'), errors, StringComparison.Ordinal);

        string Fill(string text) => text.Replace("{file}", file, StringComparison.Ordinal).Replace("{dir}", _folder, StringComparison.Ordinal);
    }

    [Fact]
    public void A_configuration_file_that_is_not_there_is_152()
    {
        var (status, _, errors) = MonitorProgram.Run("--no-api", "--config-file", "/nowhere/machine.json");
        Assert.Equal(152, status);
        Assert.Contains("/nowhere/machine.json", errors, StringComparison.Ordinal);
    }

    [Fact]
    public void A_socket_that_is_there_already_is_1_and_stays()
    {
        var socket = Path.Combine(_folder, "api.sock");
        File.WriteAllText(socket, "");
        var (status, _, errors) = MonitorProgram.Run("--api-sock", socket);
        Assert.Equal(1, status);
        Assert.Equal($"Cannot open the API socket {socket}: address already in use (EADDRINUSE). Remove the file if no other process listens there, or give another --api-sock.\n", errors);
        Assert.True(File.Exists(socket));
    }

    [Fact]
    public void A_configuration_file_boots_a_guest_whose_end_is_0()
    {
        var kernel = FreestandingGuest.Build("hello");
        var file = Path.Combine(_folder, "machine.json");
        File.WriteAllText(file, $$"""
            {
              "boot-source": {"kernel_image_path": "{{kernel}}", "boot_args": ""},
              "machine-config": {"vcpu_count": 1, "mem_size_mib": 128},
              "drives": [],
              "logger": {"log_path": "{{_folder}}/log", "show_level": true},
              "metrics": {"metrics_path": "{{_folder}}/metrics"}
            }
            """);
        var (status, output, errors) = MonitorProgram.Run("--no-api", "--id", "here", "--config-file", file);
        Assert.Equal((0, "Hello from ring 0\nby the 64-bit Linux boot protocol\nboot=0x7000\n", ""), (status, output, errors));
        var log = File.ReadAllText(Path.Combine(_folder, "log"));
        Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z \[here:main:INFO\] The machine has started\.\n", log);
        Assert.EndsWith("The guest reset the machine (i8042 reset line).\n", log, StringComparison.Ordinal);
        Assert.Single(File.ReadAllLines(Path.Combine(_folder, "metrics")));
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, true)]
    [InlineData(3, true)]
    public void The_least_memory_is_enough_for_the_smallest_kernel(int mib, bool fits)
    {
        var file = Path.Combine(_folder, "machine.json");
        File.WriteAllText(file, $$"""{"boot-source": {"kernel_image_path": "{{FreestandingGuest.Build("hello")}}", "boot_args": ""}, "machine-config": {"vcpu_count": 1, "mem_size_mib": {{mib}} } }""");
        var (status, _, errors) = MonitorProgram.Run("--no-api", "--config-file", file);
        Assert.Equal(fits ? (0, "") : (152, "machine-config.mem_size_mib: must be a whole number from 2 to 1048576; it is 1.\n"), (status, errors));
    }
}
