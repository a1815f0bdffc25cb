using Xunit;

namespace RunnerVm.Tests.Lab;

/// <summary>Jobs by <c>runnervm exec</c> in machines of our own monitor: stock kernel, agent, stream over vsock.</summary>
public sealed class ExecTests(LabFixture lab) : LeavesNothing(lab)
{
    [Fact]
    public async Task Auto_chooses_our_monitor_where_KVM_is_real()
    {
        var result = (await Lab.RunAsync("""
            cd "$(mktemp -d)"
            echo 'job: {workspace: none, script: ["echo I am $(uname -r) on $(nproc)", "cat /proc/cmdline"]}' > job.yml
            runnervm exec job.yml
            """)).ExpectExit(0);
        Assert.Contains("I am ", result.Output, StringComparison.Ordinal);
        Assert.Contains("runnervm_vsock=1024", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("software CPU", result.Output + result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public async Task A_stock_kernel_boots_with_as_many_processors_as_asked(int cpus)
    {
        var result = (await Lab.RunAsync($$"""
            cd "$(mktemp -d)"
            echo 'job: {workspace: none, script: ["echo processors: $(nproc)"]}' > job.yml
            echo 'runner: {cpus: {{cpus}}, memory: 512MB}' >> job.yml
            runnervm exec --engine vmm job.yml
            """, TimeSpan.FromMinutes(2))).ExpectExit(0);
        Assert.Contains($"\nprocessors: {cpus}\n", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Workspace_egress_artifacts_and_the_audit_line_are_those_of_any_engine()
    {
        var result = (await Lab.RunAsync(Traces + """
            set -e; cd "$(mktemp -d)"; mkdir served sent
            head -c 20000000 /dev/urandom > served/blob
            cat > serve <<'SH'
            #!/bin/bash
            while IFS= read -r line && [ "$line" != $'\r' ]; do :; done
            printf 'HTTP/1.0 200 OK\r\nContent-Length: 20000000\r\n\r\n'; exec cat served/blob
            SH
            chmod +x serve
            socat TCP-LISTEN:18080,bind=127.0.0.1,reuseaddr,fork EXEC:./serve & server=$!
            trap 'kill $server' EXIT
            until curl -s -o /dev/null http://127.0.0.1:18080/; do kill -0 $server; done
            traces > /tmp/before
            cd sent; seq 100000 > numbers
            cat > job.yml <<'YAML'
            job:
              script:
                - curl -sS --max-time 60 -o fetched http://host:18080/blob
                - sha256sum fetched numbers > sums
                - "! curl -sS --max-time 5 http://host:18081/ 2>/dev/null"
              artifacts: {paths: [sums]}
            runner:
              network: {allow: ["host:18080"]}
            YAML
            runnervm exec --engine vmm --artifacts out job.yml
            echo "== sums"; cat out/sums; (cd ../served && sha256sum blob); sha256sum numbers
            traces > /tmp/after
            diff /tmp/before /tmp/after && echo "nothing left"
            """, TimeSpan.FromMinutes(3))).ExpectExit(0);
        var sums = result.Output[result.Output.LastIndexOf("== sums", StringComparison.Ordinal)..].Split('\n');
        Assert.Equal(sums[3].Split(' ')[0], sums[1].Split(' ')[0]);
        Assert.Equal(sums[4].Split(' ')[0], sums[2].Split(' ')[0]);
        Assert.Contains("nothing left", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failing_step_a_timeout_and_a_killed_runner_end_as_on_any_engine_and_leave_nothing()
    {
        (await Lab.RunAsync(Traces + """
            set -u; cd "$(mktemp -d)"; traces > before
            echo 'job: {workspace: none, script: ["exit 37"]}' > fail.yml
            runnervm exec --engine vmm fail.yml; [ $? = 37 ] || { echo "not 37"; exit 1; }
            printf 'job: {workspace: none, script: ["sleep 600"]}\nrunner: {timeout: 8s}\n' > late.yml
            runnervm exec --engine vmm late.yml; [ $? = 124 ] || { echo "not 124"; exit 1; }
            echo 'job: {workspace: none, script: ["echo up; sleep 600"]}' > killed.yml
            runnervm exec --engine vmm killed.yml > log & runner=$!
            until grep -q '^up' log; do kill -0 $runner || { cat log; exit 1; }; sleep 0.2; done
            pgrep -x runnervm-vmm >/dev/null || { echo "no monitor runs"; exit 1; }
            kill -9 $runner; wait $runner 2>/dev/null
            timeout 10 bash -c 'while pgrep -x runnervm-vmm >/dev/null; do sleep 0.1; done' || { echo "the monitor outlived its runner"; exit 1; }
            echo 'job: {workspace: none, script: ["true"]}' > next.yml
            runnervm exec --engine vmm next.yml || exit 1
            traces > after; diff before after
            """, TimeSpan.FromMinutes(3))).ExpectExit(0);
    }

    [Fact]
    public async Task Twenty_machines_one_after_another_and_five_at_once_leave_nothing()
    {
        var (inARow, atOnce) = Environment.GetEnvironmentVariable("RUNNERVM_SOAK") == "1" ? (20, 5) : (3, 2);
        (await Lab.RunAsync(Traces + $$"""
            set -u; cd "$(mktemp -d)"; traces > before
            echo 'job: {workspace: none, script: ["head -c 8 /dev/urandom | od -An -tx8"]}' > job.yml
            printf 'runner: {memory: 256MB}\n' >> job.yml
            for i in $(seq {{inARow}}); do runnervm exec --engine vmm job.yml >> log || { cat log; exit 1; }; done
            pids=()
            for i in $(seq {{atOnce}}); do runnervm exec --engine vmm job.yml > log.$i & pids+=($!); done
            for pid in "${pids[@]}"; do wait "$pid" || { cat log.*; exit 1; }; done
            traces > after; diff before after || exit 1
            cat log log.* | grep -E '^ [0-9a-f]{16}$' | sort -u | wc -l | grep -qx {{inARow + atOnce}} || { cat log log.*; exit 1; }
            """, TimeSpan.FromMinutes(8))).ExpectExit(0);
    }

    [Fact]
    public async Task Bytes_through_vsock_both_ways_are_the_same_bytes()
    {
        var mib = Environment.GetEnvironmentVariable("RUNNERVM_SOAK") == "1" ? 256 : 16;
        (await Lab.RunAsync($$"""
            set -eu; cd "$(mktemp -d)"; mkdir sent; cd sent
            head -c {{mib}}M /dev/urandom > blob
            cat > job.yml <<'YAML'
            job:
              script: ["sha256sum blob > sum; cp blob back"]
              artifacts: {paths: [sum, back]}
            runner: {memory: 512MB}
            YAML
            runnervm exec --engine vmm --artifacts ../out job.yml
            (cd ../out && cmp back ../sent/blob && [ "$(cut -d' ' -f1 sum)" = "$(sha256sum < ../sent/blob | cut -d' ' -f1)" ])
            """, TimeSpan.FromMinutes(6))).ExpectExit(0);
    }
}
