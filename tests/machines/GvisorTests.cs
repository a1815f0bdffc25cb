using System.ComponentModel;
using System.Diagnostics;
using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>The same jobs without a machine: what holds for every engine holds in gVisor's sandbox.</summary>
public sealed class GvisorTests(EgressLab lab) : IClassFixture<EgressLab>
{
    private static readonly string[] InSandbox = ["--engine", "gvisor"];
    private static readonly Lazy<string?> WhyNotHere = new(AskRunsc);

    [Fact]
    public async Task Output_exit_codes_and_signals_come_back_as_from_a_machine()
    {
        const string Job = """
            job:
              workspace: none
              steps:
                - {run: 'echo out; echo err >&2'}
                - {name: code, run: exit 41, continue-on-error: true}
                - {name: signal, run: 'kill -9 $$', continue-on-error: true}
                - {name: missing, shell: "fish {0}", run: exit 0, continue-on-error: true}
                - {run: 'test "$(hostname)" = "$(cat /etc/hostname)" && nproc && pwd'}
            """;
        var done = (await ExecAsync(Job, "--json")).ExpectExit(0);
        var finished = done.Events.Where(static e => e.GetProperty("event").GetString() == "stepFinished")
            .ToDictionary(static e => e.GetProperty("name").GetString()!, static e => e.GetProperty("exitCode").GetInt32());
        Assert.Equal((41, 137, 127), (finished["code"], finished["signal"], finished["missing"]));
        var output = done.Events.Where(static e => e.GetProperty("event").GetString() == "output")
            .Select(static e => $"{e.GetProperty("stream").GetString()}: {e.GetProperty("text").GetString()}");
        Assert.Equal(["stdout: out\n", "stderr: err\n", "stdout: 1\n/workspace\n"], Merge(output));
        Leftovers.AssertNone();
    }

    [Fact]
    public async Task Files_go_in_and_come_out_secrets_stay_masked_and_the_image_stays_as_it_was()
    {
        using var folder = new TestFolder();
        for (var i = 0; i < 300; i++) folder.Write($"data/file {i} ä.txt", $"content {i}\n");
        const string Job = """
            job:
              secrets: [TOKEN]
              steps:
                - echo "the token is $TOKEN"; rm -rf /usr/bin/git; echo spoilt > /etc/debian_version; echo new > data/new.txt
              artifacts: [data]
            """;
        var target = folder.File("../" + Path.GetRandomFileName());
        var environment = new Dictionary<string, string> { ["TOKEN"] = "correct-horse-battery" };
        var done = (await RunAsync(Job, ["--artifacts", target], environment, folder.Path)).ExpectExit(0);
        Assert.Equal("the token is ***\n", done.Output);
        Assert.Equal(301, Directory.GetFiles(Path.Combine(target, "data")).Length);
        Assert.Equal("content 7\n", await File.ReadAllTextAsync(Path.Combine(target, "data/file 7 ä.txt"), TestContext.Current.CancellationToken));
        Directory.Delete(target, recursive: true);

        var next = (await ExecAsync("job: {steps: [git --version >/dev/null && cat /etc/debian_version], workspace: none}")).ExpectExit(0);
        Assert.StartsWith("12.", next.Output);
        Leftovers.AssertNone();
    }

    [Fact]
    public async Task What_leaves_a_sandbox_passes_the_same_policy_and_audit_whatever_program_it_comes_from()
    {
        SkipWithoutRunsc();
        const string Get = """get() { for url in "$@"; do echo "$url: $(curl --noproxy '*' --silent --max-time 20 "$url" || echo no)"; done; }""";
        var job = $$"""
            job:
              workspace: none
              steps:
                - |
                  {{Get}}
                  get http://good.example/ http://{{EgressLab.Server}}/ http://bad.example/ http://good.example:81/ http://six.example/
                  get http://{{EgressLab.Private}}/ http://{{EgressLab.Metadata}}/ http://host:{{EgressWorld.HostPort}}/ http://127.0.0.1:1/
                  exec 3<>/dev/tcp/{{EgressLab.Server}}/80 && printf 'GET /bare HTTP/1.0\r\n\r\n' >&3 && tail -n 1 <&3
            runner:
              network:
                allow: ["*.example:80", "{{EgressLab.Server}}", "host:{{EgressWorld.HostPort}}"]
                deny: [bad.example]
            """;
        var done = (await lab.ExecAsync(job, [.. InSandbox, "--quiet"])).ExpectExit(0);
        Assert.Equal(
            [
                $"http://good.example/: / at {EgressLab.Server}",
                $"http://{EgressLab.Server}/: / at {EgressLab.Server}",
                "http://bad.example/: no",
                "http://good.example:81/: no",
                $"http://six.example/: / at {EgressLab.Server6}",
                $"http://{EgressLab.Private}/: no",
                $"http://{EgressLab.Metadata}/: no",
                $"http://host:{EgressWorld.HostPort}/: / at 127.0.0.1",
                "http://127.0.0.1:1/: no",
                $"/bare at {EgressLab.Server}",
            ],
            done.Output.TrimEnd('\n').Split('\n'));
        Assert.DoesNotContain(lab.Requests, static request => request.Contains(EgressLab.Private, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_a_network_there_is_loopback_and_nothing_else()
    {
        const string Job = """
            job:
              workspace: none
              steps:
                - for url in http://198.51.100.10/ http://example.org/ http://127.0.0.1:1/; do curl --silent --max-time 5 $url || echo $?; done
            runner: {network: none}
            """;
        Assert.Equal("7\n6\n7\n", (await ExecAsync(Job, "--quiet")).ExpectExit(0).Output);
    }

    [Fact]
    public async Task A_step_that_takes_too_long_ends_with_all_it_started_and_later_steps_run()
    {
        const string Job = """
            job:
              workspace: none
              steps:
                - {name: slow, timeout: 2s, run: "(setsid sleep 1001 & sleep 1002; echo not reached)"}
                - {if: always, run: "sleep 0.2; echo sleepers: $(cat /proc/[0-9]*/comm | grep -c sleep)"}
            """;
        var done = (await ExecAsync(Job)).ExpectExit(124);
        Assert.Contains("'slow' took longer than 2", done.LastLineOfError);
        Assert.Equal("sleepers: 0\n", done.Output);
        Leftovers.AssertNone();
    }

    [Fact]
    public async Task Ctrl_C_asks_the_job_to_stop_and_SIGKILL_leaves_nothing_after_the_next_command()
    {
        SkipWithoutRunsc();
        const string Polite = """
            job:
              workspace: none
              steps:
                - "trap 'echo asked to stop; exit 0' TERM; echo started; while :; do sleep 0.1; done"
            """;
        using (var job = RunningJob.Start(Polite, InSandbox))
        {
            await job.WaitForOutputAsync("started");
            job.Signal("INT");
            Assert.Contains("asked to stop", (await job.FinishAsync()).ExpectExit(130).Output);
            Leftovers.AssertNone();
        }

        using var killed = RunningJob.Start(Polite, InSandbox);
        await killed.WaitForOutputAsync("started");
        Assert.True(Leftovers.Machines().Count > 1, "runsc, its sandbox and its gofer are not seen");
        killed.Kill();
        await Leftovers.NoMachineSoonAsync(TimeSpan.FromSeconds(2));
        Assert.Contains("Swept what was left", (await ExecAsync("job: {steps: [echo next], workspace: none}")).ExpectExit(0).Error);
        Leftovers.AssertNone();
    }

    [Theory]
    [InlineData("perl -e 'push @a, \"x\" x (1 << 20) for 1..4000; sleep 100'", "The sandbox's memory (256 MiB) was full")]
    [InlineData("head -c 4G /dev/zero > /dev/shm/large; sleep 100", "The sandbox's memory (256 MiB) was full")]
    [InlineData("truncate -s 4G /large; head -c 4G /dev/zero > /large; sleep 100", "The sandbox's disk was full")]
    public async Task A_job_that_takes_more_than_its_share_is_ended_with_a_sentence(string script, string sentence)
    {
        SkipWithoutRunsc();
        Assert.SkipWhen(sentence.Contains("disk") && !Runner.Soak, "writes a GiB: run tests/run --soak");
        var done = (await ExecAsync($"job:\n  workspace: none\n  steps:\n    - |\n      {script}\nrunner: {{memory: 256MB, disk: 1GB, timeout: 3m}}")).ExpectExit(121);
        Assert.Contains(sentence, done.Error);
        Leftovers.AssertNone();
    }

    [Fact]
    public async Task Who_asks_for_a_kernel_of_its_own_is_refused()
    {
        var done = (await ExecAsync("job: {steps: [echo no], workspace: none}\nrunner: {isolation: kernel-level}")).ExpectExit(120);
        Assert.Contains("Engine gvisor gives process-level isolation and the job asks for kernel-level", done.Error);
    }

    private static Task<Finished> ExecAsync(string job, params string[] options) => RunAsync(job, options, null, null);

    private static Task<Finished> RunAsync(string job, string[] options, Dictionary<string, string>? environment, string? folder)
    {
        SkipWithoutRunsc();
        return Runner.ExecAsync(job, [.. InSandbox, .. options], environment, folder);
    }

    private static void SkipWithoutRunsc() => Assert.SkipUnless(WhyNotHere.Value is null, WhyNotHere.Value ?? "");

    /// <summary>Null where runsc starts a sandbox. In a chroot, for one, it cannot: user namespaces are not to be had there.</summary>
    private static string? AskRunsc()
    {
        try
        {
            using var runsc = Process.Start(new ProcessStartInfo("runsc", ["--ignore-cgroups", "--network=none", "do", "true"]) { RedirectStandardError = true })!;
            var said = runsc.StandardError.ReadToEnd();
            runsc.WaitForExit();
            return runsc.ExitCode == 0 ? null : $"runsc starts no sandbox here: {said.Trim()}";
        }
        catch (Win32Exception)
        {
            return "gVisor is not here: apt-get install runsc";
        }
    }

    /// <summary>Output comes in as many pieces as it likes; those of one stream that follow each other are one.</summary>
    private static List<string> Merge(IEnumerable<string> pieces)
    {
        var merged = new List<string>();
        foreach (var piece in pieces)
        {
            if (merged.Count > 0 && merged[^1][..8] == piece[..8]) merged[^1] += piece[8..];
            else merged.Add(piece);
        }

        return merged;
    }
}
