using System.Globalization;
using System.Text.RegularExpressions;
using Xunit;

namespace RunnerVm.Tests.Lab;

/// <summary>Our monitor by itself, with the distribution's kernel and the guest of guest/init.c: no executor, no agent.</summary>
public sealed class MonitorTests(LabFixture lab) : LeavesNothing(lab)
{
    private const string Disk = """{"drive_id": "d", "path_on_host": "disk", "is_root_device": false, "is_read_only": false, "cache_type": "Writeback"}""";
    private const string ReadOnly = """{"drive_id": "r", "path_on_host": "fixed", "is_root_device": false, "is_read_only": true}""";

    /// <summary>Sizes of the ordinary run: each exit costs the lab's software CPU a hundred times what it costs hardware.</summary>
    private static readonly int DiskMib = Soak ? 64 : 8;
    private static readonly int TransferMib = Soak ? 64 : 16;

    private static bool Soak => Environment.GetEnvironmentVariable("RUNNERVM_SOAK") == "1";

    [Theory]
    [InlineData("vmlinux")]
    [InlineData("vmlinuz")]
    public async Task A_stock_kernel_boots_and_its_reboot_ends_the_monitor(string kernel)
    {
        var result = await RunAsync($"configure {kernel} cpus,entropy,entropy,reboot 1 ''; monitor; exit $?");
        var entropy = Regex.Matches(result.Output, "guest: entropy ([0-9a-f]{128})\r?\n");
        Assert.Equal(2, entropy.Count);
        Assert.NotEqual(entropy[0].Value, entropy[1].Value);
        Assert.Contains("The guest reset the machine", result.Output, StringComparison.Ordinal);
    }

    /// <summary>The executor's tests have the other numbers.</summary>
    [Fact]
    public async Task Eight_processors_come_online_on_a_host_that_has_fewer()
    {
        var result = await RunAsync("configure vmlinux cpus,reboot 8 ''; monitor; exit $?");
        Assert.Matches("guest: cpus 8\r?\n", result.Output);
    }

    [Fact]
    public async Task Power_off_ends_the_monitor()
    {
        var result = await RunAsync("configure vmlinux off 1 ''; monitor; exit $?");
        Assert.Contains("The guest switched the machine off.", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_panic_with_panic_on_the_command_line_ends_the_monitor()
    {
        var result = await RunAsync("configure vmlinux panic 1 ''; monitor; exit $?");
        Assert.Contains("Kernel panic", result.Output, StringComparison.Ordinal);
        Assert.Contains("The guest reset the machine", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_one_machine_wrote_at_random_the_next_one_reads_and_what_it_discards_the_host_gets_back()
    {
        var result = await RunAsync($$"""
            truncate -s {{DiskMib}}M disk; head -c 1M /dev/urandom > fixed; sha256sum fixed > sum
            configure vmlinux write:vda:7,reboot 2 '{{Disk}}'; monitor || exit 1
            echo "written $(du -k disk | cut -f1)"
            configure vmlinux verify:vda:7,discard:vda,refuse:vdb,reboot 2 '{{Disk}},{{ReadOnly}}'; monitor || exit 1
            echo "left $(du -k disk | cut -f1)"
            sha256sum -c sum
            """);
        Assert.Contains($"guest: verified vda: {DiskMib << 20} bytes", result.Output, StringComparison.Ordinal);
        Assert.Contains("guest: vdb cannot be", result.Output, StringComparison.Ordinal);
        Assert.Contains("fixed: OK", result.Output, StringComparison.Ordinal);
        Assert.InRange(Number(result, @"^written (\d+)"), DiskMib << 10, (DiskMib << 10) + 64);
        Assert.InRange(Number(result, @"^left (\d+)"), 1, (DiskMib << 9) + 64);
    }

    [Fact]
    public async Task The_balloon_takes_memory_gives_it_back_and_tells()
    {
        var result = await RunAsync("""
            configure vmlinux tick 1 '' '"balloon": {"amount_mib": 0, "deflate_on_oom": true, "stats_polling_interval_s": 1}'
            begin
            api PATCH balloon '{"amount_mib": 96}'
            await_api balloon/statistics '"actual_mib":96[,}]'
            resident
            api PATCH balloon '{"amount_mib": 0}'
            await_api balloon/statistics '"actual_mib":0[,}]'
            await_api balloon/statistics '"total_memory":[1-9]'
            finish
            """);
        Assert.Matches("\"target_mib\":96", result.Output);
        Assert.InRange(Number(result, @"^resident (\d+)"), 1, 160 << 10);
    }

    [Fact]
    public async Task A_paused_machine_stands_still_and_its_clock_goes_on_when_it_is_resumed()
    {
        var result = await RunAsync("""
            configure vmlinux tick 2 ''
            begin
            api PATCH vm '{"state": "Paused"}'
            read -rt 0.3 < <(sleep 9) || true; before=$(grep -c tick console)
            read -rt 1.5 < <(sleep 9) || true; echo "while paused $(( $(grep -c tick console) - before ))"
            last=$(grep -o 'tick [0-9.]*' console | tail -1)
            api PATCH vm '{"state": "Resumed"}'
            await_console_beyond $before
            echo "last $last then $(grep -o 'tick [0-9.]*' console | sed -n "$((before + 1))p")"
            grep -o 'tick [0-9.]*' console | sed '$d' | cut -d' ' -f2 | sort -nc && echo "never back" # The last line may be half written.
            finish
            """);
        Assert.Equal(0, Number(result, @"^while paused (\d+)"));
        Assert.Contains("never back", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_TAP_device_carries_ping_and_a_TCP_transfer_both_ways()
    {
        var result = await RunAsync($$"""
            ip tuntap add dev rvtest0 mode tap; trap 'ip link del rvtest0' EXIT
            ip addr add 172.31.77.1/24 dev rvtest0; ip link set rvtest0 up
            head -c {{TransferMib}}M /dev/urandom > blob
            configure vmlinux network:172.31.77.2,echo:7000:{{TransferMib}},tick 2 '' '"network-interfaces": [{"iface_id": "eth0", "host_dev_name": "rvtest0", "guest_mac": "06:00:ac:1f:4d:02"}]'
            begin
            ping -c 3 -i 0.2 -W 5 172.31.77.2
            await_file console listening
            socat -t 60 STDIO TCP:172.31.77.2:7000 < blob > back
            cmp blob back && echo "the same"
            finish
            """);
        Assert.Contains(" 3 received", result.Output, StringComparison.Ordinal);
        Assert.Contains("the same", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Streams_to_the_host_over_vsock_are_whole_in_both_directions()
    {
        await RunAsync($$"""
            head -c {{TransferMib}}M /dev/zero > blob
            configure vmlinux send:1:{{TransferMib}},receive:2:{{TransferMib}},reboot 2 '' '"vsock": {"guest_cid": 3, "uds_path": "v.sock"}'
            socat -u UNIX-LISTEN:v.sock_1 CREATE:came & receiver=$!
            socat -u OPEN:blob UNIX-LISTEN:v.sock_2 & sender=$!
            monitor || exit 1
            wait $receiver; wait $sender
            cmp blob came
            """);
    }

    private static long Number(LabResult result, string pattern)
    {
        var match = Regex.Match(result.Output, pattern, RegexOptions.Multiline);
        Assert.True(match.Success, $"nothing matches {pattern}\n{result}");
        return long.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);
    }

    private async Task<LabResult> RunAsync(string script) =>
        (await Lab.RunAsync($$"""
            set -u; . <(cat <<'FUNCTIONS'
            {{Functions}}
            FUNCTIONS
            )
            work=$(mktemp -d); cd "$work"
            (
            {{script}}
            )
            status=$?; cd /; rm -rf "$work"; exit $status
            """, TimeSpan.FromMinutes(Soak ? 5 : 2))).ExpectExit(0);

    private const string Functions = """
        # configure KERNEL DO CPUS DRIVES [OTHER]: vm.json
        configure() {
          rm -f v.sock
          printf '{"boot-source": {"kernel_image_path": "%s", "initrd_path": "%s", "boot_args": "console=ttyS0 reboot=k panic=-1 quiet do=%s"}, "drives": [%s], "machine-config": {"vcpu_count": %s, "mem_size_mib": 256}, "entropy": {}%s}' \
            "$RUNNERVM_ROOT/kernel/$1" "$RUNNERVM_ROOT/kernel/guest.cpio" "$2" "$4" "$3" "${5:+, $5}" > vm.json
        }
        monitor() { timeout -k 5 200 runnervm-vmm --no-api --config-file vm.json; }
        # One with an API, until the guest ticks or has its network.
        begin() {
          runnervm-vmm --api-sock api --config-file vm.json --log-path log > console 2>&1 & monitor=$!
          await_file console 'tick|network up'
        }
        finish() { kill -9 $monitor; wait $monitor 2>/dev/null; true; }
        api() { curl -sS --max-time 10 --unix-socket api -X "$1" -H 'Content-Type: application/json' ${3:+-d "$3"} "http://localhost/$2" -w ' %{http_code}\n'; }
        pass() { read -rt 0.1 < <(sleep 1); true; }
        await_file() { for i in {1..400}; do grep -qE "$2" "$1" && return; kill -0 $monitor || break; pass; done; echo "no $2 in:"; cat "$1"; kill -9 $monitor; exit 1; }
        await_console_beyond() { for i in {1..200}; do [ "$(grep -c tick console)" -gt "$1" ] && return; pass; done; cat console; kill -9 $monitor; exit 1; }
        await_api() { for i in {1..200}; do answer=$(api GET "$1" ''); grep -qE "$2" <<< "$answer" && { echo "$answer"; return; }; pass; done; echo "$1 is: $answer"; cat console; kill -9 $monitor; exit 1; }
        resident() { echo "resident $(awk '/^VmRSS/ {print $2}' /proc/$monitor/status)"; }
        """;
}
