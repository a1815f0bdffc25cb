using System.Text;
using RunnerVm.Sources;
using RunnerVm.Sources.GitLab;
using RunnerVm.Sources.GitLab.Traces;
using RunnerVm.Sources.GitLab.Wire;
using RunnerVm.Tests.StandIns.GitLab;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitLab;

/// <summary>One job at a time between our side of the protocol and a strict server's.</summary>
public sealed class WireTests
{
    private static readonly TimeSpan Patience = GitLabBench.Patience;

    [Fact]
    public async Task A_job_that_succeeds_is_told_with_its_whole_log()
    {
        await using var bench = await GitLabBench.StartAsync();
        var job = bench.Server.Queue("hello", ["echo hello"]);
        await bench.RunNextAsync();
        Assert.Equal("success", job.State);
        Assert.Null(job.FailureReason);
        Assert.Equal(1, job.Ended);
        Assert.Matches(@"^\S+Z 00O Running with runnervm ", job.TraceText);
        Assert.Matches(@"(?m)^\S+Z 01O hello$", job.TraceText);
        Assert.EndsWith("Job succeeded\e[0;m\n", job.TraceText);
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task A_failure_carries_reason_and_exit_code()
    {
        await using var bench = await GitLabBench.StartAsync();
        bench.Run = static async job =>
        {
            await job.MachineReadyAsync();
            return new GitLabOutcome.Failed(GitLabFailureReason.ScriptFailure, "exit code 42", 42);
        };
        var job = bench.Server.Queue("fails", ["exit 42"]);
        await bench.RunNextAsync();
        Assert.Equal(("failed", "script_failure", 42), (job.State, job.FailureReason, job.ExitCode));
        Assert.Contains("ERROR: Job failed: exit code 42", job.TraceText);
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task A_job_without_a_machine_goes_back_to_the_queue_and_is_not_failed()
    {
        await using var bench = await GitLabBench.StartAsync();
        bench.Server.ReturnAfter = TimeSpan.FromMilliseconds(200);
        bench.Run = static _ => Task.FromResult<GitLabOutcome>(new GitLabOutcome.NotStarted("no machine today"));
        var job = bench.Server.Queue("unlucky", ["true"]);
        await bench.RunNextAsync();
        Assert.Equal("waiting", job.State);
        bench.AssertNothingIsLeft();

        bench.Run = static async again => await again.MachineReadyAsync() ? new GitLabOutcome.Succeeded() : new GitLabOutcome.Cancelled();
        while (await bench.Forge.AskAsync(CancellationToken.None) is var answer && job.State == "waiting")
        {
            if (answer is not ForgeAnswer.Job { Run: var run }) continue;
            await run.RunAsync(CancellationToken.None);
            break;
        }

        Assert.Equal((2, "success"), (job.HandedOver, job.State));
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task On_a_server_without_two_phases_a_job_without_a_machine_fails_by_our_fault()
    {
        await using var bench = await GitLabBench.StartAsync();
        bench.Server.TwoPhase = false;
        bench.Run = async job =>
        {
            // Long enough for the server to have said that it knows no second phase.
            await Task.Delay(300);
            return new GitLabOutcome.NotStarted("no machine today");
        };
        var job = bench.Server.Queue("unlucky", ["true"]);
        await bench.RunNextAsync();
        Assert.Equal(("failed", "runner_system_failure"), (job.State, job.FailureReason));
        Assert.Contains("no machine today", job.TraceText);
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task While_the_machine_boots_the_job_is_kept_and_its_log_waits()
    {
        await using var bench = await GitLabBench.StartAsync();
        var job = bench.Server.Queue("slow boot", ["true"]);
        bench.Run = async assignment =>
        {
            await bench.Server.WaitAsync(() => job.KeepAlives > 0, Patience, "a keep-alive");
            Assert.Equal(("waiting", 0), (job.State, job.Patches));
            return await assignment.MachineReadyAsync() ? new GitLabOutcome.Succeeded() : new GitLabOutcome.Cancelled();
        };
        await bench.RunNextAsync();
        Assert.Equal("success", job.State);
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task Output_arrives_while_the_job_runs_and_is_asked_for_by_the_servers_clock()
    {
        await using var bench = await GitLabBench.StartAsync();
        bench.Server.UpdateInterval = 1;
        var job = bench.Server.Queue("chatty", ["true"]);
        bench.Run = async assignment =>
        {
            await assignment.MachineReadyAsync();
            await assignment.Trace.WriteAsync(TraceStream.JobOutput, "one\n"u8.ToArray());
            await bench.Server.WaitAsync(() => job.TraceText.Contains("01O one", StringComparison.Ordinal), Patience, "the first line");
            await assignment.Trace.WriteAsync(TraceStream.JobError, "two\n"u8.ToArray());
            await bench.Server.WaitAsync(() => job.TraceText.Contains("01E two", StringComparison.Ordinal), Patience, "the second line");
            return new GitLabOutcome.Succeeded();
        };
        await bench.RunNextAsync();
        Assert.Equal("success", job.State);
        bench.AssertNothingIsLeft();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Cancelling_reaches_the_job(bool gracefully)
    {
        await using var bench = await GitLabBench.StartAsync();
        bench.Server.UpdateInterval = 1;
        var job = bench.Server.Queue("cancelled", ["sleep 1000"]);
        bench.Run = async assignment =>
        {
            await assignment.MachineReadyAsync();
            await assignment.Trace.WriteAsync(TraceStream.JobOutput, "begun\n"u8.ToArray());
            await bench.Server.WaitAsync(() => job.Patches > 0, Patience, "the first line");
            bench.Server.Cancel(job, gracefully);
            await assignment.Trace.WriteAsync(TraceStream.JobOutput, "more\n"u8.ToArray());
            await Until(assignment.Stop.Canceling);
            if (gracefully)
            {
                Assert.False(assignment.Stop.Aborted.IsCancellationRequested);
                await assignment.Trace.WriteAsync(TraceStream.JobOutput, "after_script\n"u8.ToArray());
            }
            else await Until(assignment.Stop.Aborted);
            return new GitLabOutcome.Cancelled();
        };
        await bench.RunNextAsync();
        Assert.Equal("canceled", job.State);
        Assert.Equal(gracefully, job.TraceText.Contains("after_script", StringComparison.Ordinal));
        Assert.Equal(gracefully ? 1 : 0, job.Ended);
        bench.AssertNothingIsLeft();
    }

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
    public async Task A_payload_with_a_wrong_type_fails_that_job_with_the_fields_name()
    {
        await using var bench = await GitLabBench.StartAsync();
        var job = bench.Server.Queue("wrong", ["true"], static payload => payload["git_info"]!["depth"] = "twenty");
        await bench.RunNextAsync();
        Assert.Equal(("failed", "runner_system_failure", 3), (job.State, job.FailureReason, job.ExitCode));
        Assert.Contains("field \"git_info.depth\" is of the wrong type", job.TraceText);
        bench.AssertNothingIsLeft();
    }

    [Theory]
    [InlineData("steps", "\"script\"")]
    [InlineData("variables[0].masked", "3")]
    [InlineData("runner_info.timeout", "\"1h\"")]
    [InlineData("artifacts[0].paths", "\"out\"")]
    [InlineData("image", "\"debian\"")]
    public async Task Whatever_field_is_of_a_wrong_type_the_job_fails_with_its_name(string field, string value)
    {
        await using var bench = await GitLabBench.StartAsync();
        var job = bench.Server.Queue("wrong", ["true"], payload =>
        {
            payload["artifacts"] = new System.Text.Json.Nodes.JsonArray(new System.Text.Json.Nodes.JsonObject());
            System.Text.Json.Nodes.JsonNode at = payload;
            foreach (var part in field.Replace("[0]", "", StringComparison.Ordinal).Split('.')[..^1]) at = at[part] is System.Text.Json.Nodes.JsonArray list ? list[0]! : at[part]!;
            at[field.Split('.')[^1]] = System.Text.Json.Nodes.JsonNode.Parse(value);
        });
        await bench.RunNextAsync();
        Assert.Equal(("failed", "runner_system_failure"), (job.State, job.FailureReason));
        Assert.Contains($"field \"{field}", job.TraceText);
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task Fields_that_are_null_are_fields_that_are_not_set()
    {
        await using var bench = await GitLabBench.StartAsync();
        var job = bench.Server.Queue("nulls", ["true"], static payload =>
        {
            payload["allow_git_fetch"] = null;
            payload["git_info"]!["depth"] = null;
            payload["runner_info"]!["timeout"] = null;
            payload["job_info"]!["user_id"] = null;
            payload["job_info"]!["time_in_queue_seconds"] = null;
            payload["steps"]![0]!["timeout"] = null;
            payload["variables"]![0]!["file"] = null;
            payload["cache"] = null;
        });
        await bench.RunNextAsync();
        Assert.Equal("success", job.State);
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

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_job_that_says_nothing_shows_that_it_lives_and_hears_that_it_is_cancelled_or_gone(bool gone)
    {
        await using var server = await GitLabStandIn.StartAsync();
        using var http = new GitLabHttp(new(server.Url), TimeProvider.System);
        var queued = server.Queue("silent", ["sleep 1000"]);
        Assert.IsType<JobAnswer.Job>(await new RunnerConnection(http, GitLabStandIn.RunnerToken, "r_1").RequestAsync(CancellationToken.None));
        var connection = new JobConnection(http, queued.Id, queued.Token);
        await connection.UpdateAsync("running", CancellationToken.None);

        var folder = Directory.CreateTempSubdirectory("rvsilent");
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        using var file = TraceFile.Create(Path.Join(folder.FullName, "log"));
        using var stop = new GitLabStop();
        using var ended = new CancellationTokenSource();
        file.Append("begun\n"u8);
        var sending = new TraceUpload(new JobConnection(http, queued.Id, queued.Token), file, stop, time).RunAsync(Task.CompletedTask, ended.Token);
        await server.WaitAsync(() => queued.Patches == 1, Patience, "the first line");
        if (gone) server.AnswerNext("PUT", $"/jobs/{queued.Id}", 404);
        else server.Cancel(queued, gracefully: true);
        using var patience = new CancellationTokenSource(Patience);
        while (!stop.Canceling.IsCancellationRequested)
        {
            patience.Token.ThrowIfCancellationRequested();
            time.Advance(TimeSpan.FromSeconds(3));
            await Task.Delay(5, CancellationToken.None);
        }

        Assert.Equal((1, !gone), (queued.Patches, queued.Touches > 0));
        Assert.Equal((gone, gone ? GitLabStopReason.Disowned : GitLabStopReason.Canceled), (stop.Aborted.IsCancellationRequested, stop.Reason));
        await ended.CancelAsync();
        await sending.WaitAsync(Patience, CancellationToken.None);
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task The_cursor_of_one_answer_goes_with_the_next_question()
    {
        await using var bench = await GitLabBench.StartAsync();
        bench.Server.Queue("first", ["true"]);
        await bench.RunNextAsync();
        Assert.IsType<ForgeAnswer.Nothing>(await bench.Forge.AskAsync(CancellationToken.None));
        Assert.Null(bench.Server.LastCursor);
        Assert.IsType<ForgeAnswer.Nothing>(await bench.Forge.AskAsync(CancellationToken.None));
        Assert.NotNull(bench.Server.LastCursor);
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
    public async Task An_image_nobody_knows_fails_that_job_with_what_to_do()
    {
        await using var bench = await GitLabBench.StartAsync();
        var job = bench.Server.Queue("strange image", ["true"], static payload => payload["image"] = new System.Text.Json.Nodes.JsonObject { ["name"] = "registry/strange:1" });
        await bench.RunNextAsync();
        Assert.Equal(("failed", "runner_configuration_error"), (job.State, job.FailureReason));
        Assert.Contains("no machine for the image registry/strange:1", job.TraceText);
        bench.AssertNothingIsLeft();
    }

    [Fact]
    public async Task An_interrupted_job_says_so()
    {
        await using var bench = await GitLabBench.StartAsync();
        bench.Server.Queue("interrupted", ["sleep 1000"]);
        var begun = new TaskCompletionSource();
        bench.Run = async assignment =>
        {
            await assignment.MachineReadyAsync();
            begun.SetResult();
            await Until(assignment.Stop.Aborted);
            return new GitLabOutcome.Cancelled();
        };
        using var job = await bench.TakeAsync();
        var running = job.RunAsync(CancellationToken.None);
        await begun.Task.WaitAsync(Patience);
        job.Interrupt();
        await running.WaitAsync(Patience);
        await bench.Server.WaitAsync(() => bench.Server.Busy == 0, Patience, "the end");
        bench.AssertNothingIsLeft();
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
