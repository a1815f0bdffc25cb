using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using RunnerVm.Tests.Vmm.Api;
using RunnerVm.Tests.Vmm.Devices.Net;
using RunnerVm.Tests.Vmm.Machine;
using Xunit;

namespace RunnerVm.Tests.Vmm.Start;

/// <summary>The program, driven by requests alone, with guests of our own on /dev/kvm.</summary>
public sealed class EndToEndTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("e2e-").FullName;

    private string _kernel = "";
    private bool _serialSet;

    private string Socket => At("api.sock");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_articles_one_request_boots_a_machine()
    {
        var kernel = FreestandingGuest.Build("hello");
        File.WriteAllBytes(At("rootfs.ext4"), new byte[1 << 20]);
        using var program = MonitorProgram.Start("--api-sock", Socket);
        using var api = program.Connect(Socket);
        var answer = api.Ask("PUT", "/boot", $$"""
            {
                "kernel_image_path": "{{kernel}}", "boot_args": "console=ttyS0 reboot=k panic=1",
                "drives": [{"drive_id": "rootfs", "path_on_host": "{{At("rootfs.ext4")}}", "is_root_device": true, "is_read_only": false}],
                "machine-config": {"vcpu_count": 2, "mem_size_mib": 512} }
            """);
        Assert.Equal(204, answer.Status);
        var (status, output, errors) = program.WaitForEnd();
        Assert.Equal((0, ""), (status, errors));
        Assert.Contains("Hello from ring 0\n", output, StringComparison.Ordinal);
        Assert.False(File.Exists(Socket));
    }

    [Fact]
    public void Keys_typed_by_a_request_reach_the_guest()
    {
        using var program = Start("keyboard");
        using var api = program.Connect(Socket);
        Run(api);
        WaitForConsole(program, "ready");
        Done(api, "PUT", "/actions", """{"action_type": "SendCtrlAltDel"}""");
        Assert.Equal(0, program.WaitForEnd().Status);
        Assert.EndsWith("PASS\n", Console, StringComparison.Ordinal);
    }

    [Fact]
    public void A_paused_machine_says_so_and_its_vCPUs_stand_still()
    {
        using var program = Start("spin");
        using var api = program.Connect(Socket);
        Run(api);
        WaitForConsole(program, "spinning");
        for (var i = 0; i < 20; i++)
        {
            Done(api, "PATCH", "/vm", """{"state": "Paused"}""");
            Assert.Contains("\"state\":\"Paused\"", api.Ask("GET", "/").Body, StringComparison.Ordinal);
            var before = GuestTicks(program);
            Assert.Equal(200, api.Ask("GET", "/vm/config").Status);
            Assert.Equal(before, GuestTicks(program));
            Done(api, "PATCH", "/vm", """{"state": "Resumed"}""");
            Assert.Contains("\"state\":\"Running\"", api.Ask("GET", "/").Body, StringComparison.Ordinal);
        }

        Assert.Equal("The requested operation is not supported after starting the microVM.", api.Ask("PUT", "/actions", """{"action_type": "InstanceStart"}""").Fault);
    }

    [Fact]
    public void A_drive_changes_under_a_running_guest_and_the_metrics_count_what_it_did()
    {
        File.WriteAllBytes(At("disk"), new byte[64 * 512]);
        File.WriteAllBytes(At("other"), Enumerable.Repeat((byte)0x77, 100 * 512).ToArray());
        using var program = Start("block", "--metrics-path", At("metrics"));
        using var api = program.Connect(Socket);
        Done(api, "PUT", "/drives/disk", $$"""{"drive_id": "disk", "path_on_host": "{{At("disk")}}", "is_root_device": false, "cache_type": "Writeback"}""");
        Run(api);
        WaitForConsole(program, "ready");
        Done(api, "PUT", "/actions", """{"action_type": "FlushMetrics"}""");
        var first = LastMetrics();
        Assert.Equal(first.GetProperty("block").GetRawText(), first.GetProperty("block_disk").GetRawText());
        Assert.Equal((2, 8192, 1, 4096, 1), (Of(first, "block", "read_count"), Of(first, "block", "read_bytes"), Of(first, "block", "write_count"), Of(first, "block", "write_bytes"), Of(first, "block", "flush_count")));
        Assert.True(Of(first, "block", "invalid_reqs_count") >= 4, first.ToString());
        Assert.Equal((1, 0), (Of(first, "put_api_requests", "drive_count"), Of(first, "put_api_requests", "drive_fails")));
        Assert.Equal(Console.Length, Of(first, "uart", "write_count"));
        Assert.True(Of(first, "vcpu", "exit_io_out") >= Console.Length && Of(first, "vcpu", "exit_mmio_read") > 10 && Of(first, "vcpu", "exit_mmio_write") > 10, first.ToString());

        Done(api, "PATCH", "/drives/disk", $$"""{"drive_id": "disk", "path_on_host": "{{At("other")}}"}""");
        Assert.Equal(0, program.WaitForEnd().Status);
        Assert.EndsWith("ready\nsectors=0x64\nbyte=0x77\nPASS\n", Console, StringComparison.Ordinal);
        // The last words of a machine that has ended tell what came since.
        var last = LastMetrics();
        Assert.Equal((1, 1, 0), (Of(last, "block", "update_count"), Of(last, "patch_api_requests", "drive_count"), Of(last, "block", "write_count")));
        Assert.Equal(1, Of(last, "i8042", "reset_count"));
    }

    [Fact]
    public void A_balloon_is_set_read_and_let_out()
    {
        using var program = Start("balloon", "--metrics-path", At("metrics"));
        using var api = program.Connect(Socket);
        Done(api, "PUT", "/balloon", """{"amount_mib": 16, "deflate_on_oom": true, "stats_polling_interval_s": 3600}""");
        Run(api);
        WaitForConsole(program, "inflated");
        var statistics = JsonDocument.Parse(api.Ask("GET", "/balloon/statistics").Body).RootElement;
        Assert.Equal((16, 16, 111, 222), (Of(statistics, "target_mib"), Of(statistics, "actual_mib"), Of(statistics, "free_memory"), Of(statistics, "total_memory")));
        Done(api, "PATCH", "/balloon/statistics", """{"stats_polling_interval_s": 1800}""");
        Done(api, "PATCH", "/balloon", """{"amount_mib": 0}""");
        Assert.Equal(0, program.WaitForEnd().Status);
        Assert.EndsWith("PASS\n", Console, StringComparison.Ordinal);
        var metrics = LastMetrics();
        Assert.Equal((16, 16, 1), (Of(metrics, "balloon", "inflate_count"), Of(metrics, "balloon", "deflate_count"), Of(metrics, "balloon", "stats_updates_count")));
    }

    [Fact]
    public void Entropy_is_counted_and_a_console_beyond_its_limit_is_dropped_and_counted()
    {
        using var program = Start("entropy", "--metrics-path", At("metrics"));
        using var api = program.Connect(Socket);
        Done(api, "PUT", "/entropy", "{}");
        Done(api, "PUT", "/serial", $$"""{"serial_out_path": "{{At("console")}}", "rate_limiter": {"size": 3, "refill_time": 3600000} }""");
        Run(api);
        Assert.Equal(0, program.WaitForEnd().Status);
        Assert.Equal(3, Console.Length);
        var metrics = LastMetrics();
        Assert.True(Of(metrics, "entropy", "entropy_event_count") > 0 && Of(metrics, "entropy", "entropy_bytes") > 0, metrics.ToString());
        Assert.Equal(Of(metrics, "uart", "write_count") - 3, Of(metrics, "uart", "rate_limiter_dropped_bytes"));
    }

    [Fact]
    public void A_network_card_is_made_and_its_limits_change() => NetworkNamespace.WithTap(() =>
    {
        using var program = Start("spin", "--metrics-path", At("metrics"));
        using var api = program.Connect(Socket);
        Done(api, "PUT", "/network-interfaces/eth0", """{"iface_id": "eth0", "host_dev_name": "tap0", "guest_mac": "06:00:0a:00:00:02"}""");
        Run(api);
        WaitForConsole(program, "spinning");
        Done(api, "PATCH", "/network-interfaces/eth0", """{"iface_id": "eth0", "tx_rate_limiter": {"ops": {"size": 10, "refill_time": 1000}}}""");
        Done(api, "PUT", "/actions", """{"action_type": "FlushMetrics"}""");
        Assert.Equal(0, Of(LastMetrics(), "net_eth0", "tx_packets_count"));
    });

    [Fact]
    public void A_guest_reaches_the_metadata_service_and_the_host_reaches_the_guest() => NetworkNamespace.WithTap(() =>
    {
        _kernel = FreestandingGuest.Build("net", defines: "ASK_MMDS");
        using var program = MonitorProgram.Start("--api-sock", Socket, "--metrics-path", At("metrics"));
        using var api = program.Connect(Socket);
        Done(api, "PUT", "/network-interfaces/eth0", """{"iface_id": "eth0", "host_dev_name": "tap0", "guest_mac": "06:00:0a:00:00:02"}""");
        Done(api, "PUT", "/mmds/config", """{"version": "V2", "network_interfaces": ["eth0"]}""");
        Done(api, "PUT", "/mmds", """{"latest": "value"}""");
        Run(api);
        WaitForConsole(program, "listening");
        Assert.StartsWith("the metadata service is there\n", Console, StringComparison.Ordinal);
        NetworkNamespace.WaitForCarrier();
        using var socket = new UdpClient("10.0.0.2", 7);
        socket.Client.ReceiveTimeout = 60_000;
        var from = new IPEndPoint(IPAddress.Any, 0);
        socket.Send("there and back"u8);
        Assert.Equal("there and back"u8, socket.Receive(ref from));
        socket.Send("the end"u8);
        Assert.Equal(0, program.WaitForEnd().Status);
        var metrics = LastMetrics();
        Assert.Equal((2, 1), (Of(metrics, "mmds", "rx_accepted"), Of(metrics, "mmds", "connections_created")));
        // The guest never acknowledges the SYN+ACK: on a busy host it is sent again before the guest ends.
        Assert.InRange(Of(metrics, "mmds", "tx_frames"), 2, 8);
        Assert.Equal(1, Of(metrics, "net_eth0", "tx_packets_count"));
    });

    [Fact]
    public void A_TAP_that_is_not_to_be_had_refuses_the_start_and_the_next_one_succeeds() => NetworkNamespace.WithTap(() =>
    {
        using var program = Start("spin");
        using var api = program.Connect(Socket);
        Done(api, "PUT", "/network-interfaces/eth0", """{"iface_id": "eth0", "host_dev_name": "lo"}""");
        Done(api, "PUT", "/boot-source", $$"""{"kernel_image_path": "{{_kernel}}"}""");
        var answer = api.Ask("PUT", "/actions", """{"action_type": "InstanceStart"}""");
        Assert.Equal(400, answer.Status);
        Assert.StartsWith("Network interface 'eth0', host_dev_name: Cannot attach to TAP device 'lo'", answer.Fault, StringComparison.Ordinal);
        Assert.Contains("\"state\":\"Not started\"", api.Ask("GET", "/").Body, StringComparison.Ordinal);
        Done(api, "PUT", "/network-interfaces/eth0", """{"iface_id": "eth0", "host_dev_name": "tap0"}""");
        Run(api);
    });

    [Fact]
    public void A_log_in_a_file_leaves_standard_output_to_the_console()
    {
        var kernel = FreestandingGuest.Build("hello");
        using var program = MonitorProgram.Start("--api-sock", Socket);
        using var api = program.Connect(Socket);
        Done(api, "PUT", "/logger", $$"""{"log_path": "{{At("log")}}"}""");
        Done(api, "PUT", "/boot", $$"""{"kernel_image_path": "{{kernel}}", "boot_args": ""}""");
        var (status, output, _) = program.WaitForEnd();
        Assert.Equal(0, status);
        Assert.EndsWith("Hello from ring 0\nby the 64-bit Linux boot protocol\nboot=0x7000\n", output, StringComparison.Ordinal);
        Assert.Contains("The guest reset the machine", File.ReadAllText(At("log")), StringComparison.Ordinal);
    }

    private string Console => File.Exists(At("console")) ? File.ReadAllText(At("console")) : "";

    private string At(string name) => Path.Combine(_folder, name);

    private MonitorProgram Start(string guest, params string[] arguments)
    {
        _kernel = FreestandingGuest.Build(guest);
        return MonitorProgram.Start(["--api-sock", Socket, .. arguments]);
    }

    private void Run(ApiClient api)
    {
        Done(api, "PUT", "/boot-source", $$"""{"kernel_image_path": "{{_kernel}}", "boot_args": ""}""");
        if (!_serialSet) Done(api, "PUT", "/serial", $$"""{"serial_out_path": "{{At("console")}}"}""");
        Done(api, "PUT", "/actions", """{"action_type": "InstanceStart"}""");
    }

    private void Done(ApiClient api, string method, string path, string body)
    {
        var answer = api.Ask(method, path, body);
        Assert.True(answer.Status == 204, $"{method} {path}: {answer.Status} {answer.Body}");
        _serialSet |= path == "/serial";
    }

    private void WaitForConsole(MonitorProgram program, string text)
    {
        var watch = System.Diagnostics.Stopwatch.StartNew();
        using var never = new ManualResetEventSlim();
        while (!Console.Contains(text, StringComparison.Ordinal))
        {
            Assert.True(watch.Elapsed < MonitorProgram.Patience && !program.HasEnded, $"The guest never said \"{text}\". Its console:\n{Console}");
            never.Wait(5);
        }
    }

    private JsonElement LastMetrics() => JsonDocument.Parse(File.ReadLines(At("metrics")).Last()).RootElement;

    private static long Of(JsonElement line, string group, string name) => Of(line.GetProperty(group), name);

    private static long Of(JsonElement group, string name) => group.GetProperty(name).GetInt64();

    /// <summary>What its vCPU threads have used of a processor so far, in user and system ticks.</summary>
    private static string GuestTicks(MonitorProgram program) => string.Join(' ', Directory.GetDirectories($"/proc/{program.Id}/task")
        .Where(static task => File.ReadAllText(Path.Combine(task, "comm")).StartsWith("vcpu", StringComparison.Ordinal))
        .Select(static task => File.ReadAllText(Path.Combine(task, "stat")).Split(' ') is var fields ? $"{fields[^39]},{fields[^38]}" : ""));
}
