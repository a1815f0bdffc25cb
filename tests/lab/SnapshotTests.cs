using System.Text.RegularExpressions;
using Xunit;

namespace RunnerVm.Tests.Lab;

/// <summary>Linux laid down and restored on a KVM that is real.</summary>
public sealed class SnapshotTests(LabFixture lab) : LeavesNothing(lab)
{
    [Fact]
    public async Task A_guest_that_ticks_goes_on_in_another_process_twice_from_one_snapshot()
    {
        var result = (await Lab.RunAsync("""
            set -u; work=$(mktemp -d); cd "$work"
            printf '{"boot-source": {"kernel_image_path": "%s", "initrd_path": "%s", "boot_args": "console=ttyS0 reboot=k panic=-1 quiet do=tick"}, "drives": [], "machine-config": {"vcpu_count": 2, "mem_size_mib": 256}, "entropy": {}}' \
              "$RUNNERVM_ROOT/kernel/vmlinux" "$RUNNERVM_ROOT/kernel/guest.cpio" > vm.json
            api() { curl -sS --max-time 60 --unix-socket "$1" -X "$2" -H 'Content-Type: application/json' -d "$4" "http://localhost/$3" -w '%{http_code}\n'; }
            await_ticks() { for i in {1..600}; do [ "$(grep -c tick "$1")" -ge "$2" ] && return; kill -0 $monitor || break; read -rt 0.1 < <(sleep 1); done; echo "no ticks in $1:"; cat "$1"; exit 1; }
            runnervm-vmm --api-sock api --config-file vm.json > console 2>&1 & monitor=$!
            await_ticks console 3
            api api PATCH vm '{"state": "Paused"}'
            api api PUT snapshot/create '{"snapshot_path": "state", "mem_file_path": "memory"}'
            kill -9 $monitor; wait $monitor 2>/dev/null
            for copy in 1 2; do
              runnervm-vmm --api-sock api$copy > console$copy 2>&1 & monitor=$!
              until [ -S api$copy ]; do kill -0 $monitor || exit 1; read -rt 0.05 < <(sleep 1); done
              api api$copy PUT snapshot/load '{"snapshot_path": "state", "mem_backend": {"backend_type": "File", "backend_path": "memory"}, "resume_vm": true}'
              await_ticks console$copy 3
              kill -9 $monitor; wait $monitor 2>/dev/null
              cat console console$copy | grep -o 'tick [0-9.]*' | cut -d' ' -f2 | sort -nc && echo "copy $copy goes on"
              grep -iE 'stall|lockup|BUG|unstable' console$copy
            done
            cd /; rm -rf "$work"
            """, TimeSpan.FromMinutes(4))).ExpectExit(0);
        Assert.Contains("copy 1 goes on", result.Output, StringComparison.Ordinal);
        Assert.Contains("copy 2 goes on", result.Output, StringComparison.Ordinal);
        Assert.DoesNotMatch("(?i)stall|lockup|unstable", result.Output);
    }

    [Fact]
    public async Task Jobs_start_from_a_snapshot_on_our_monitor_and_on_QEMU_and_no_two_are_alike()
    {
        var result = (await Lab.RunAsync(Traces + """
            set -u; cd "$(mktemp -d)"
            cat > job.yml <<'YAML'
            job:
              workspace: none
              script:
                - echo "random $(head -c 8 /dev/urandom | od -An -tx8)"
                - echo "boot $(cat /proc/sys/kernel/random/boot_id)"
            runner: {memory: 256MB}
            YAML
            for engine in vmm qemu; do
              runnervm snapshot create --engine $engine --memory 256MB || exit 1
              for i in 1 2; do
                begin=${EPOCHREALTIME/./}
                runnervm exec --engine $engine --json job.yml > log || { cat log; exit 1; }
                echo "$engine wall $(( ${EPOCHREALTIME/./} - begin )) us"
                grep -o '"restored":[a-z]*' log | sed "s/^/$engine /"
                grep -oE '(random  [0-9a-f]{16}|boot [-0-9a-f]{36})' log
              done
            done
            runnervm snapshot rm all
            """, TimeSpan.FromMinutes(8))).ExpectExit(0);
        TestContext.Current.TestOutputHelper?.WriteLine(result.Output);
        Assert.Equal(2, Regex.Count(result.Output, "^vmm \"restored\":true$", RegexOptions.Multiline));
        Assert.Equal(2, Regex.Count(result.Output, "^qemu \"restored\":true$", RegexOptions.Multiline));
        var said = Regex.Matches(result.Output, "^(random|boot) .*$", RegexOptions.Multiline).Select(static match => match.Value).ToList();
        Assert.Equal(8, said.Count);
        Assert.Equal(8, said.Distinct().Count());
    }
}
