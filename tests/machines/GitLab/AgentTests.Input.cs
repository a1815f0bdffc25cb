using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;
using RunnerVm.Tests.StandIns.GitLab;
using Xunit;

namespace RunnerVm.Tests.Machines.GitLab;

/// <content>What a job, or a job before it, may bring along: it works, or it ends that one job with a sentence.</content>
public sealed partial class AgentTests
{
    [Fact]
    public async Task Large_scripts_and_variables_work_and_paths_that_lead_out_are_told()
    {
        await using var server = await GitLabStandIn.StartAsync();
        using var agent = await AgentProcess.StartAsync(server, home, jobs: 1);
        var large = string.Join('\n', Enumerable.Repeat(new string('x', 99), 50_000));
        var job = server.Queue("large", [$": <<'END'\n{large}\nEND", "echo ${#LONG} in the script", "printenv LONG || echo not exported", "echo kept >kept", "! grep -rs 'standInRunner[0]001' /run /etc /root /tmp /proc/cmdline /proc/self/environ"], static payload =>
        {
            payload["variables"]!.AsArray().Add(StandInPayload.Variable("LONG", new string('l', 200_000)));
            payload["artifacts"] = new JsonArray(new JsonObject { ["paths"] = new JsonArray("kept", "../../etc/passwd", "/etc/shadow", "a/../../b"), ["when"] = "always", ["artifact_type"] = "archive", ["artifact_format"] = "zip" });
        });
        await server.WaitForEndAsync(job, Patience);
        AssertSucceeded(server, job);
        Assert.Contains("01O 200000 in the script\n", job.TraceText);
        Assert.Contains("01O not exported\n", job.TraceText);
        foreach (var path in (string[])["../../etc/passwd", "/etc/shadow", "a/../../b"]) Assert.Contains($"WARNING: {path}: it is not in the project's folder", job.TraceText);
        Assert.Equal(["kept"], new ZipArchive(new MemoryStream(Assert.Single(job.Artifacts).Content)).Entries.Select(static e => e.FullName));
        await DrainAsync(agent, server);
    }

    [Fact]
    public async Task An_archive_made_to_get_out_of_its_folder_fails_the_job_that_wants_it_or_stays_inside()
    {
        await using var server = await GitLabStandIn.StartAsync();
        using var agent = await AgentProcess.StartAsync(server, home, jobs: 2);
        var above = Wanting(server, "above", Zip(("../evil", "x", 0)));
        var absolute = Wanting(server, "absolute", Zip(("/etc/evil", "x", 0)));
        var device = Wanting(server, "device", Zip(("null", "x", 0x2000)));
        var through = Wanting(server, "through", Zip(("link", "/etc", 0xA000), ("link/evil", "x", 0)));
        var garbage = Wanting(server, "garbage", Encoding.UTF8.GetBytes("no archive at all"));
        foreach (var job in new[] { above, absolute, device, through, garbage }) await server.WaitForEndAsync(job, Patience);
        foreach (var job in new[] { above, absolute }) AssertFailed(job, "which does not stay in its folder");
        AssertFailed(garbage, "it is no zip archive");
        AssertFailed(through, "cannot be unpacked");
        AssertSucceeded(server, device);
        Assert.Contains("01O regular file\n", device.TraceText);
        await DrainAsync(agent, server);
    }

    [Fact]
    public async Task Steps_run_when_they_say_and_the_first_failure_is_the_jobs()
    {
        await using var server = await GitLabStandIn.StartAsync();
        using var agent = await AgentProcess.StartAsync(server, home, jobs: 1);
        var job = server.Queue("steps", ["echo first", "exit 5"], static payload =>
        {
            var steps = payload["steps"]!.AsArray();
            steps.Add(Step("skipped", "on_success", "echo never"));
            steps.Add(Step("rescue", "on_failure", "echo rescued; exit 6"));
            steps.Add(Step("last", "always", "sleep 1000", timeout: 2));
            steps.Add(Step("after_script", "always", "echo after $CI_JOB_STATUS"));
        });
        await server.WaitForEndAsync(job, Patience);
        Assert.Equal(("failed", "script_failure", 5), (job.State, job.FailureReason, job.ExitCode));
        foreach (var said in (string[])["first", "rescued", "after failed"]) Assert.Contains($"01O {said}\n", job.TraceText);
        Assert.Contains(":step_last\r", job.TraceText);
        Assert.DoesNotContain(":step_skipped\r", job.TraceText);
        await DrainAsync(agent, server);
    }

    private static JsonObject Step(string name, string when, string script, int timeout = 3600) =>
        new() { ["name"] = name, ["script"] = new JsonArray(script), ["timeout"] = timeout, ["when"] = when, ["allow_failure"] = false };

    /// <summary>A job that depends on one that left this archive.</summary>
    private static StandInJob Wanting(GitLabStandIn server, string name, byte[] archive)
    {
        var maker = server.AddFinished($"maker of {name}", archive);
        return server.Queue(name, ["stat -c %F *"], payload => payload["dependencies"] = new JsonArray(new JsonObject
        {
            ["id"] = maker.Id, ["name"] = "maker", ["token"] = maker.Token, ["artifacts_file"] = new JsonObject { ["filename"] = "artifacts.zip", ["size"] = archive.Length },
        }));
    }

    private static void AssertFailed(StandInJob job, string why)
    {
        Assert.True((job.State, job.Ended) == ("failed", 1), $"{job.State}\n{job.TraceText}");
        Assert.Contains(why, job.TraceText);
        Assert.DoesNotContain(":step_script", job.TraceText);
    }

    /// <param name="entries">Names, contents and, where it is no regular file, the type as stat(2) has it.</param>
    private static byte[] Zip(params (string Name, string Content, int Type)[] entries)
    {
        using var bytes = new MemoryStream();
        using (var zip = new ZipArchive(bytes, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, content, type) in entries)
            {
                var entry = zip.CreateEntry(name);
                entry.ExternalAttributes = (int)((uint)((type == 0 ? 0x8000 : type) | 0x1A4) << 16);
                using var writer = new StreamWriter(entry.Open());
                writer.Write(content);
            }
        }

        return bytes.ToArray();
    }
}
