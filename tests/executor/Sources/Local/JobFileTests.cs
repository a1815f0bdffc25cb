using RunnerVm.Jobs;
using RunnerVm.Sources.Local;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.Local;

/// <summary>What a right job file becomes.</summary>
public sealed class JobFileTests : JobFileFixture
{
    [Fact]
    public void The_articles_file_loads_as_it_stands()
    {
        var job = Load(
            """
            job:
              script:
                - npm install # Could be malicious dependencies
                - npm test
            runner:
              executor: firecracker
              isolation: kernel-level
              memory: 2048MB
              timeout: 30m
            """);
        var step = Assert.Single(job.Steps);
        Assert.Equal(ScriptText.From(["npm install", "npm test"]), step.Script);
        Assert.Null(step.Shell);
        Assert.Equal(new MachineRequest { Engine = "firecracker", AskedIsolation = Isolation.Kernel, MemoryMib = 2048 }, job.Machine);
        Assert.Equal(TimeSpan.FromMinutes(30), job.Timeout);
    }

    [Fact]
    public void What_is_not_written_has_its_default()
    {
        var job = Load("job: {script: true}");
        Assert.Equal("test", job.Name);
        Assert.Matches("^test-[0-9a-f]{6}$", job.Id);
        Assert.Equal("debian-12", job.Image);
        Assert.Equal(new Workspace(Folder), job.Workspace);
        Assert.Null(job.Artifacts);
        Assert.Empty(job.Secrets);
        Assert.Empty(job.Environment);
        Assert.Equal(new MachineRequest(), job.Machine);
        Assert.Equal(NetworkRequest.OpenInternet, job.Network);
        Assert.Equal(TimeSpan.FromHours(1), job.Timeout);
        Assert.Equal(ScriptText.From(["true"]), Assert.Single(job.Steps).Script);
    }

    [Fact]
    public void Everything_under_runner_arrives()
    {
        var kernel = WriteFile("vmlinux", "");
        var job = Load(
            """
            job: {script: [a]}
            runner:
              executor: qemu
              isolation: process-level
              cpus: 4
              memory: 1.5g
              disk: 64MB
              kernel: vmlinux
              timeout: 2 hours 30 minutes
              network:
                allow: [github.com, "*.debian.org:443", "host:8080"]
                deny: 10.0.0.0/8
                mode: audit
            """);
        var expected = new MachineRequest
        {
            Engine = "qemu", AskedIsolation = Isolation.Process, Cpus = 4, MemoryMib = 1536, DiskBytes = 64 << 20, KernelPath = kernel,
        };
        Assert.Equal(expected, job.Machine);
        Assert.Equal(TimeSpan.FromMinutes(150), job.Timeout);
        Assert.Equal(NetworkKind.Filtered, job.Network.Kind);
        Assert.Equal(["github.com", "*.debian.org:443", "host:8080"], job.Network.Allow!);
        Assert.Equal(["10.0.0.0/8"], job.Network.Deny!);
        Assert.True(job.Network.AuditOnly);
    }

    [Fact]
    public void Memory_is_rounded_up_to_whole_mebibytes() =>
        Assert.Equal(196, Load("{job: {script: a}, runner: {memory: 200000KB}}").Machine.MemoryMib);

    [Fact]
    public void The_network_is_named_or_listed()
    {
        Assert.Equal(NetworkKind.None, Load("{job: {script: a}, runner: {network: none}}").Network.Kind);
        Assert.Equal(NetworkRequest.OpenInternet, Load("{job: {script: a}, runner: {network: open}}").Network);
        var network = Load("{job: {script: a}, runner: {network: {allow: []}}}").Network;
        Assert.Empty(network.Allow!);
        Assert.Null(network.Deny);
        Assert.Null(Load("{job: {script: a}, runner: {network: {deny: [a.example]}}}").Network.Allow);
    }

    [Fact]
    public void Who_names_gvisor_asks_for_a_process()
    {
        Assert.Equal(Isolation.Process, Load("{job: {script: a}, runner: {executor: gvisor}}").Machine.Isolation);
        Assert.Equal(Isolation.Kernel, Load("{job: {script: a}, runner: {executor: auto}}").Machine.Isolation);
    }

    [Fact]
    public void Before_script_shares_scripts_shell_and_after_script_always_runs()
    {
        var job = Load("job: {before_script: b, script: [s, t], after_script: [a]}");
        Assert.Equal(["script", "after_script"], job.Steps.Select(s => s.Name));
        Assert.Equal(ScriptText.From(["b", "s", "t"]), job.Steps[0].Script);
        Assert.Equal(StepCondition.Success, job.Steps[0].Condition);
        Assert.Equal(ScriptText.From(["a"]), job.Steps[1].Script);
        Assert.Equal(StepCondition.Always, job.Steps[1].Condition);
    }

    [Fact]
    public void Around_steps_before_and_after_script_are_steps()
    {
        var job = Load("job: {before_script: b, steps: [s], after_script: a}");
        Assert.Equal(["before_script", "s", "after_script"], job.Steps.Select(s => s.Name));
        Assert.Equal("s", job.Steps[1].Script);
    }

    [Fact]
    public void Everything_in_a_step_arrives()
    {
        var job = Load(
            """
            job:
              steps:
                - name: build
                  run: |
                    make all
                    make test
                  shell: perl {0}
                  env: {A: 1, B: , C: "yes", D: yes}
                  working-directory: sub
                  if: always()
                  continue-on-error: true
                  timeout: 90s
                - run: |

                    make all # first
                    make test
            """);
        var step = job.Steps[0];
        Assert.Equal("build", step.Name);
        Assert.Equal("make all\nmake test\n", step.Script);
        Assert.Equal("perl {0}", step.Shell);
        Assert.Equal(new Dictionary<string, string> { ["A"] = "1", ["B"] = "", ["C"] = "yes", ["D"] = "yes" }, step.Environment);
        Assert.Equal("sub", step.WorkingDirectory);
        Assert.Equal(StepCondition.Always, step.Condition);
        Assert.True(step.ContinueOnError);
        Assert.Equal(TimeSpan.FromSeconds(90), step.Timeout);
        Assert.Equal("make all # first", job.Steps[1].Name);
    }

    [Theory]
    [InlineData("none")]
    [InlineData("false")]
    public void A_workspace_can_be_empty(string written) => Assert.Null(Load($"job: {{script: a, workspace: {written}}}").Workspace);

    [Fact]
    public void A_workspace_is_relative_to_the_current_directory()
    {
        var sub = Directory.CreateDirectory(Path.Combine(Folder, "sub")).FullName;
        Variables["HOME"] = Folder;
        Assert.Equal(new Workspace(sub), Load("job: {script: a, workspace: sub}").Workspace);
        Assert.Equal(new Workspace(sub), Load("job: {script: a, workspace: ~/sub}").Workspace);
        Assert.Equal(new Workspace(sub, true), Load("job: {script: a, workspace: {path: ./sub, all: true}}").Workspace);
        Assert.Equal(new Workspace(Folder, true), Load("job: {script: a, workspace: {all: true}}").Workspace);
        Assert.Equal(new Workspace(Folder), Load("job: {script: a, workspace: true}").Workspace);
    }

    [Fact]
    public void Artifacts_are_a_path_a_list_or_a_map()
    {
        Assert.Equal(["dist"], Load("job: {script: a, artifacts: dist}").Artifacts!.Paths);
        Assert.Equal(["dist", "**/*.log"], Load("job: {script: a, artifacts: [dist, \"**/*.log\"]}").Artifacts!.Paths);
        var map = Load("job: {script: a, artifacts: {paths: dist, exclude: [dist/tmp], when: on_failure}}").Artifacts!;
        Assert.Equal(["dist"], map.Paths);
        Assert.Equal(["dist/tmp"], map.Exclude);
        Assert.Equal(StepCondition.Failure, map.When);
    }

    [Fact]
    public void The_timeout_may_stand_under_job() =>
        Assert.Equal(TimeSpan.FromMinutes(5), Load("job: {script: a, timeout: 5m}").Timeout);

    [Fact]
    public void Aliases_stand_for_what_they_name()
    {
        var job = Load("job:\n  before_script: &s [one]\n  script: *s\n  env:\n    A: &v text\n    B: *v\n");
        Assert.Equal(ScriptText.From(["one", "one"]), job.Steps[0].Script);
        Assert.Equal("text", job.Environment["B"]);
    }

    [Fact]
    public void A_dash_is_standard_input()
    {
        StandardInput = "\uFEFFjob: {script: a}";
        Assert.Equal("stdin", JobFile.Load("-", Context).Name);
        StandardInput = "job: {scirpt: a}";
        Assert.Contains("<stdin>:1:7: ", Assert.Throws<UserException>(() => JobFile.Load("-", Context)).Message);
    }

    [Theory]
    [InlineData("Build & Test (linux)", "^build-test-linux-[0-9a-f]{6}$")]
    [InlineData("a very long name that goes on and on", "^a-very-long-name-tha-[0-9a-f]{6}$")]
    [InlineData("日本語", "^job-[0-9a-f]{6}$")]
    public void An_id_is_safe_in_a_file_name(string name, string pattern)
    {
        Assert.Matches(pattern, JobId.New(name));
        Assert.NotEqual(JobId.New(name), JobId.New(name));
    }
}
