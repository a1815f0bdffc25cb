using System.Globalization;
using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>The world a step finds itself in.</summary>
public sealed class EnvironmentTests
{
    private const string Look = """
        job:
          name: a look around
          workspace: none
          env: {GIVEN: by the job}
          steps:
            - run: |
                echo "now=$EPOCHREALTIME"
                echo "hostname=$(hostname) $(cat /etc/hostname) $(uname -n)"
                echo "machine-id=$(cat /etc/machine-id)"
                echo "boot-id=$(cat /proc/sys/kernel/random/boot_id)"
                echo "random=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')"
                echo "entropy=$(cat /proc/sys/kernel/random/entropy_avail)"
                echo "pwd=$PWD"
                echo "umask=$(umask)"
                echo "files=$(ulimit -n)"
                echo "core=$(ulimit -c)"
                echo "stdin=$(readlink /proc/$$/fd/0)"
                echo "fds=$(ls /proc/$$/fd | sort -n | tr '\n' ' ')"
                echo "user=$(id -un)"
                echo "ignored=$(awk '/^SigIgn/ {print $2}' /proc/self/status)"
                echo "blocked=$(awk '/^SigBlk/ {print $2}' /proc/self/status)"
                echo "session=$(awk '{print ($6 == $1 && $5 == $1)}' /proc/$$/stat)"
                for device in null zero full random urandom tty ptmx; do test -c /dev/$device || echo "no /dev/$device"; done
                for folder in /dev/pts /dev/shm /proc/self /sys/class /tmp /run; do test -d $folder || echo "no $folder"; done
                echo shm > /dev/shm/x && echo tmp > /tmp/x && echo run > /run/x && echo "writable=yes"
                echo fd > /dev/fd/1 && cat <(echo process substitution)
                getent hosts localhost > /dev/null && echo "localhost=known"
                script -qc 'tty' /dev/null 2>/dev/null | grep -q /dev/pts && echo "pty=works"
                env | sed 's/^/env /'
        """;

    [Fact]
    public async Task A_step_finds_a_clean_environment_and_a_machine_of_its_own()
    {
        var before = DateTimeOffset.UtcNow;
        var (first, output) = await LookAsync();
        var after = DateTimeOffset.UtcNow;

        var now = DateTimeOffset.UnixEpoch.AddSeconds(double.Parse(first["now"], CultureInfo.InvariantCulture));
        Assert.InRange(now, before.AddSeconds(-2), after.AddSeconds(2));
        Assert.Single(first["hostname"].Split(' ').Distinct());
        Assert.Matches("^[0-9a-f]{32}$", first["machine-id"]);
        Assert.Equal("/workspace", first["pwd"]);
        Assert.Equal("0022", first["umask"]);
        Assert.Equal("65536", first["files"]);
        Assert.Equal("0", first["core"]);
        Assert.Equal("/dev/null", first["stdin"]);
        Assert.Equal("root", first["user"]);
        Assert.Equal("0000000000000000", first["ignored"]);
        Assert.Equal("0000000000000000", first["blocked"]);
        Assert.Equal("1", first["session"]);
        Assert.Equal("yes", first["writable"]);
        Assert.Equal("known", first["localhost"]);
        Assert.DoesNotContain("no /", output);
        Assert.Contains("process substitution\n", output);

        // Nothing of the host's environment, nothing of the agent's.
        string[] expected = ["CI", "GIVEN", "HOME", "PATH", "RUNNERVM", "RUNNERVM_JOB_ID", "RUNNERVM_JOB_NAME", "RUNNERVM_WORKSPACE", "SHELL"];
        string[] ofTheShell = ["PWD", "OLDPWD", "SHLVL", "_"];
        var variables = output.Split('\n').Where(static line => line.StartsWith("env ", StringComparison.Ordinal))
            .Select(static line => line[4..].Split('=')[0]).Except(ofTheShell).Order(StringComparer.Ordinal);
        Assert.Equal(expected, variables);

        var (second, _) = await LookAsync();
        foreach (var name in new[] { "hostname", "machine-id", "boot-id", "random" }) Assert.NotEqual(first[name], second[name]);
    }

    private static async Task<(Dictionary<string, string> Values, string Output)> LookAsync()
    {
        var done = (await Runner.ExecAsync(Look, ["--quiet"], new Dictionary<string, string> { ["OF_THE_HOST"] = "not for the guest" })).ExpectExit(0);
        var values = done.Output.Split('\n').Where(static line => line.Contains('=') && !line.StartsWith("env ", StringComparison.Ordinal))
            .ToDictionary(static line => line.Split('=')[0], static line => line.Split('=', 2)[1].Trim());
        return (values, done.Output);
    }
}
