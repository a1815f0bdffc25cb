using System.Text;
using RunnerVm.Sources;
using RunnerVm.Sources.GitLab;
using RunnerVm.Sources.GitLab.Traces;
using RunnerVm.Sources.GitLab.Wire;
using RunnerVm.Tests.StandIns.GitLab;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitLab;

/// <summary>Servers, networks and agents that are not well, between our side of the protocol and a strict server's.</summary>
public sealed class WireTroubleTests
{
    private static readonly TimeSpan Patience = GitLabBench.Patience;

    [Fact]
    public async Task A_server_that_is_gone_in_the_middle_loses_nothing_of_the_log()
    {
        await using var bench = await GitLabBench.StartAsync();
        bench.Server.UpdateInterval = 1;
        var job = bench.Server.Queue("unheard", ["true"]);
        bench.Run = async assignment =>
        {
            await assignment.MachineReadyAsync();
            await assignment.Trace.WriteAsync(TraceStream.JobOutput, "before\n"u8.ToArray());
            await bench.Server.WaitAsync(() => job.Patches > 0, Patience, "the first line");
            bench.Server.Gone = true;
            for (var i = 0; i < 1000; i++) await assignment.Trace.WriteAsync(TraceStream.JobOutput, Encoding.UTF8.GetBytes($"line {i}\n"));
            await Task.Delay(1500);
            bench.Server.Gone = false;
            return new GitLabOutcome.Succeeded();
        };
        await bench.RunNextAsync();
        Assert.Equal("success", job.State);
        for (var i = 0; i < 1000; i++) Assert.Contains($"01O line {i}\n", job.TraceText);
        bench.AssertNothingIsLeft();
    }

    [Theory]
    [InlineData("PATCH", "/trace", 503)]
    [InlineData("PATCH", "/trace", 429)]
    [InlineData("PATCH", "/trace", 416)]
    [InlineData("PATCH", "/trace", 404)]
    [InlineData("PUT", "/jobs/", 502)]
    [InlineData("POST", "/jobs/request", 500)]
    public async Task An_answer_that_is_not_well_is_got_over(string method, string path, int status)
    {
        await using var bench = await GitLabBench.StartAsync();
        var job = bench.Server.Queue("bumpy", ["true"]);
        // 416 without a Range means from the start.
        bench.Server.AnswerNext(method, path, status, count: 1);
        await bench.RunNextAsync();
        Assert.Equal("success", job.State);
        Assert.Matches(@"(?m)^\S+Z 01O hello$", job.TraceText);
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task A_job_that_somebody_else_has_begun_is_not_ours_to_fail()
    {
        await using var bench = await GitLabBench.StartAsync();
        var job = bench.Server.Queue("twice", ["true"]);
        var began = true;
        bench.Run = async assignment =>
        {
            await bench.Server.WaitAsync(() => job.KeepAlives > 0, Patience, "a keep-alive");
            bench.Server.AnswerNext("PUT", $"/jobs/{job.Id}", 409);
            began = await assignment.MachineReadyAsync();
            return new GitLabOutcome.Cancelled();
        };
        await bench.RunNextAsync();
        Assert.False(began);
        Assert.Equal(("waiting", 0), (job.State, job.Ended));
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task An_end_that_meets_a_conflict_is_told_again()
    {
        await using var bench = await GitLabBench.StartAsync();
        var job = bench.Server.Queue("conflict", ["true"]);
        bench.Run = async assignment =>
        {
            await assignment.MachineReadyAsync();
            bench.Server.AnswerNext("PUT", $"/jobs/{job.Id}", 409);
            return new GitLabOutcome.Succeeded();
        };
        await bench.RunNextAsync();
        Assert.Equal(("success", 1), (job.State, job.Ended));
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task A_final_state_is_repeated_until_it_is_accepted()
    {
        await using var bench = await GitLabBench.StartAsync();
        (bench.Server.Acceptances, bench.Server.UpdateInterval) = (2, 1);
        var job = bench.Server.Queue("slow storage", ["true"]);
        await bench.RunNextAsync();
        Assert.Equal(("success", 1), (job.State, job.Ended));
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task A_log_the_server_rejects_is_sent_anew()
    {
        await using var bench = await GitLabBench.StartAsync();
        var job = bench.Server.Queue("rejected", ["true"]);
        bench.Run = async assignment =>
        {
            await assignment.MachineReadyAsync();
            bench.Server.AnswerNext("PUT", $"/jobs/{job.Id}", 412);
            return new GitLabOutcome.Succeeded();
        };
        await bench.RunNextAsync();
        Assert.Equal("success", job.State);
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task A_job_that_is_forbidden_in_the_middle_is_dropped()
    {
        await using var bench = await GitLabBench.StartAsync();
        var job = bench.Server.Queue("erased", ["true"]);
        bench.Run = async assignment =>
        {
            await assignment.MachineReadyAsync();
            bench.Server.AnswerNext("PATCH", "/trace", 403);
            await assignment.Trace.WriteAsync(TraceStream.JobOutput, "begun\n"u8.ToArray());
            await Until(assignment.Stop.Aborted);
            return new GitLabOutcome.Cancelled();
        };
        await bench.RunNextAsync();
        Assert.Equal(0, job.Ended);
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task An_error_of_our_own_is_told_and_does_not_leave_the_job_running()
    {
        await using var bench = await GitLabBench.StartAsync();
        bench.Run = static async assignment =>
        {
            await assignment.MachineReadyAsync();
            throw new InvalidOperationException("a mistake");
        };
        var job = bench.Server.Queue("unlucky", ["true"]);
        await bench.RunNextAsync();
        Assert.Equal(("failed", "runner_system_failure", 1), (job.State, job.FailureReason, job.Ended));
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task A_server_with_a_certificate_of_its_own_is_trusted_by_its_file_alone()
    {
        using var key = System.Security.Cryptography.RSA.Create(2048);
        var request = new System.Security.Cryptography.X509Certificates.CertificateRequest("CN=gitlab", key, System.Security.Cryptography.HashAlgorithmName.SHA256, System.Security.Cryptography.RSASignaturePadding.Pkcs1);
        var names = new System.Security.Cryptography.X509Certificates.SubjectAlternativeNameBuilder();
        names.AddIpAddress(System.Net.IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        await using var server = await GitLabStandIn.StartAsync(certificate);
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, certificate.ExportCertificatePem(), TestContext.Current.CancellationToken);
        try
        {
            using (var trusting = new GitLabHttp(new(server.Url, file), TimeProvider.System))
            {
                Assert.IsType<TokenCheck.Valid>(await new RunnerConnection(trusting, GitLabStandIn.RunnerToken, "r_1").VerifyAsync(CancellationToken.None));
                Assert.Equal(certificate.ExportCertificatePem(), new JobConnection(trusting, 1, "t").CaCertificates);
            }

            using var strange = new GitLabHttp(new(server.Url), TimeProvider.System);
            Assert.IsType<TokenCheck.Unknown>(await new RunnerConnection(strange, GitLabStandIn.RunnerToken, "r_1").VerifyAsync(CancellationToken.None));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task A_token_that_is_not_known_is_told_apart_from_a_server_that_is_not_well()
    {
        await using var bench = await GitLabBench.StartAsync();
        Assert.True((await bench.Forge.CheckAsync(CancellationToken.None)).Good);
        bench.Server.AnswerNext("POST", "/jobs/request", 418);
        Assert.IsType<ForgeAnswer.Trouble>(await bench.Forge.AskAsync(CancellationToken.None));
        Assert.IsType<ForgeAnswer.Nothing>(await bench.Forge.AskAsync(CancellationToken.None));

        await using var other = await GitLabBench.StartAsync();
        other.Token = "glrt-wrongToken000";
        Assert.IsType<ForgeAnswer.Refused>(await other.Forge.AskAsync(CancellationToken.None));
        var check = await other.Forge.CheckAsync(CancellationToken.None);
        Assert.False(check.Good);
        Assert.Contains("does not know the token wrongToke…", check.Said);
    }

    [Fact]
    public async Task What_an_agent_that_was_killed_left_is_finished_by_the_next_one()
    {
        await using var bench = await GitLabBench.StartAsync();
        bench.Server.UpdateInterval = 1;
        var job = bench.Server.Queue("orphan", ["sleep 1000"]);
        var begun = new TaskCompletionSource();
        bench.Run = async assignment =>
        {
            await assignment.MachineReadyAsync();
            await assignment.Trace.WriteAsync(TraceStream.JobOutput, "begun\n"u8.ToArray());
            await bench.Server.WaitAsync(() => job.Patches > 0, Patience, "the first line");
            bench.Server.Gone = true;
            await assignment.Trace.WriteAsync(TraceStream.JobOutput, "not sent\n"u8.ToArray());
            begun.SetResult();
            await Task.Delay(Timeout.Infinite);
            throw new InvalidOperationException();
        };
        using var lost = await bench.TakeAsync();
        _ = lost.RunAsync(CancellationToken.None);
        await begun.Task.WaitAsync(Patience);

        // What the next process finds is what is on disk now; that the first still hangs in this one is no matter.
        bench.Server.Gone = false;
        await bench.Forge.FinishInterruptedAsync(CancellationToken.None).WaitAsync(Patience);
        Assert.Equal(("failed", "runner_system_failure", 1), (job.State, job.FailureReason, job.Ended));
        Assert.Contains("01O not sent\n", job.TraceText);
        Assert.Contains("the runner's agent was killed", job.TraceText);
        bench.AssertNothingIsLeft();
    }

    private static async Task Until(CancellationToken token)
    {
        var reached = new TaskCompletionSource();
        await using var registration = token.Register(reached.SetResult);
        await reached.Task.WaitAsync(Patience, CancellationToken.None);
    }
}
