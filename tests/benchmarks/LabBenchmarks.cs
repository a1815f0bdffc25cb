using System.Diagnostics;
using System.Globalization;

namespace RunnerVm.Benchmarks;

/// <summary>
/// Our monitor beside QEMU's microvm on the lab's KVM: the same kernel, initramfs and disk, one after the other in turns, and
/// jobs restored on both. The lab may be a software CPU, so ratios are what counts.
/// </summary>
internal static class LabBenchmarks
{
    private const int Boots = 9;
    private const int Restores = 7;
    private const int Transfers = 3;
    private const int DiskMib = 128;
    private const int StreamMib = 64;

    /// <summary>Prints "WHAT WHO VALUE" a line.</summary>
    private const string Script = """
        set -u; cd "$(mktemp -d)"; guest="$RUNNERVM_ROOT/kernel/guest.cpio"
        truncate -s @DISK@M disk; head -c @STREAM@M /dev/zero > blob
        arguments() { echo "console=ttyS0 reboot=$1 panic=-1 quiet do=$2"; }
        ours() {
          rm -f v.sock
          printf '{"boot-source": {"kernel_image_path": "%s", "initrd_path": "%s", "boot_args": "%s"}, "drives": [%s], "machine-config": {"vcpu_count": 1, "mem_size_mib": 256}%s}' \
            "$RUNNERVM_ROOT/kernel/vmlinux" "$guest" "$(arguments k "$1")" "${2:+{\"drive_id\": \"d\", \"path_on_host\": \"disk\", \"is_root_device\": false, \"is_read_only\": false\}}" "${3:-}" > vm.json
          exec runnervm-vmm --no-api --config-file vm.json
        }
        theirs() {
          exec qemu-system-x86_64 -M microvm,rtc=on -accel kvm -cpu host -m 256 -nodefaults -no-user-config -nographic -no-reboot -serial stdio \
            -kernel "$RUNNERVM_ROOT/kernel/vmlinux" -initrd "$guest" -append "$(arguments t "$1")" \
            ${2:+-drive file=disk,if=none,id=d,format=raw -device virtio-blk-device,drive=d} </dev/null 2>/dev/null
        }
        boot() {
          local start=${EPOCHREALTIME/./} line
          exec {console}< <("$1" hold); local pid=$!
          while read -r line <&$console; do case $line in *"guest: up"*) break;; esac; done
          echo "boot $1 $(( ${EPOCHREALTIME/./} - start ))"
          kill -9 $pid; exec {console}<&-
        }
        # Until the agent answers, by the runner's own word for it; the snapshots are there.
        restored() {
          local start=${EPOCHREALTIME/./} line
          while read -r line; do case $line in *'"restored":true'*) echo "restore $1 $(( ${EPOCHREALTIME/./} - start ))";; esac; done < <(runnervm exec --engine $2 --json job.yml)
        }
        figures() { sed -n "s/^guest: \([a-z-]*\) \([0-9]*\) bytes\/s.*/\1 $1 \2/p"; }
        boot ours >/dev/null; boot theirs >/dev/null
        for round in $(seq @BOOTS@); do boot ours; boot theirs; done
        (theirs write-all:vda,reboot disk) >/dev/null
        for round in $(seq @TRANSFERS@); do
          for who in ours theirs; do ($who read-all:vda,write-all:vda,reboot disk) | figures $who; done
          rm -f v.sock_*
          socat -u -b 262144 UNIX-LISTEN:v.sock_1 OPEN:/dev/null & socat -u -b 262144 OPEN:blob UNIX-LISTEN:v.sock_2 &
          (ours send:1:@STREAM@,receive:2:@STREAM@,reboot '' ', "vsock": {"guest_cid": 3, "uds_path": "v.sock"}') | figures ours
          wait
        done
        echo 'job: {workspace: none, script: ["true"]}' > job.yml; echo 'runner: {memory: 512MB}' >> job.yml
        for engine in vmm qemu; do runnervm snapshot create --engine $engine --memory 512MB >/dev/null || exit 1; done
        restored ours vmm >/dev/null; restored theirs qemu >/dev/null
        for round in $(seq @RESTORES@); do restored ours vmm; restored theirs qemu; done
        runnervm snapshot rm all >/dev/null
        """;

    public static void Run(BenchmarkReport report)
    {
        var samples = Samples();
        Compare(report, "boot", "exec to the guest's init", "ms", 1000);
        Compare(report, "restore", "runnervm exec to the agent of a restored machine of 512 MiB", "ms", 1000);
        Compare(report, "sequential-read", "block, sequential read", "MB/s", 1e6);
        Compare(report, "sequential-write", "block, sequential write", "MB/s", 1e6);
        report.Figure("vsock, guest to host", samples["vsock-send ours"].Median / 1e6, "MB/s");
        report.Figure("vsock, host to guest", samples["vsock-receive ours"].Median / 1e6, "MB/s");

        void Compare(BenchmarkReport to, string key, string what, string unit, double scale)
        {
            var (ours, theirs) = (samples[key + " ours"].Median, samples[key + " theirs"].Median);
            to.Figure($"{what}: ours", ours / scale, unit);
            to.Figure($"{what}: QEMU microvm", theirs / scale, unit);
            if (key == "boot") to.Figure($"{what}: ours / QEMU, medians of {Boots}", ours / theirs, "", 1.0, higherIsBetter: false);
            else to.Figure($"{what}: ours / QEMU, medians of {(key == "restore" ? Restores : Transfers)}", ours / theirs, "");
        }
    }

    private static Dictionary<string, Sample> Samples()
    {
        var samples = new Dictionary<string, Sample>();
        foreach (var line in RunInLab().Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var words = line.Split(' ');
            var key = $"{words[0]} {words[1]}";
            if (!samples.TryGetValue(key, out var sample)) samples.Add(key, sample = new());
            sample.Add(double.Parse(words[2], CultureInfo.InvariantCulture));
        }

        return samples;
    }

    private static string RunInLab()
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, Script
                .Replace("@DISK@", $"{DiskMib}", StringComparison.Ordinal)
                .Replace("@STREAM@", $"{StreamMib}", StringComparison.Ordinal)
                .Replace("@RESTORES@", $"{Restores}", StringComparison.Ordinal)
                .Replace("@BOOTS@", $"{Boots}", StringComparison.Ordinal)
                .Replace("@TRANSFERS@", $"{Transfers}", StringComparison.Ordinal));
            var start = new ProcessStartInfo(Path.Combine(BuiltProgram.Root, "tests", "lab", "run"), ["--timeout", "900", "--script", file]) { RedirectStandardOutput = true };
            using var lab = Process.Start(start)!;
            var output = lab.StandardOutput.ReadToEnd();
            lab.WaitForExit();
            return lab.ExitCode == 0 ? output : throw new InvalidOperationException($"tests/lab/run ended with {lab.ExitCode}:\n{output}");
        }
        finally
        {
            File.Delete(file);
        }
    }
}
