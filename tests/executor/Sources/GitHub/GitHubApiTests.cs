using System.Security.Cryptography;
using Microsoft.Extensions.Time.Testing;
using Octokit;
using RunnerVm.Sources.GitHub;
using RunnerVm.Sources.GitHub.Authentication;
using RunnerVm.Sources.GitHub.Rest;
using RunnerVm.Tests.StandIns.GitHub;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitHub;

public sealed class GitHubApiTests
{
    private const int Timeout = 30_000;
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact(Timeout = Timeout)]
    public async Task An_App_finds_its_installation_and_registers_a_runner_of_an_organization_and_of_a_repository()
    {
        await using var github = await GitHubFixture.StartAsync();
        foreach (var scope in (string[])["acme", "acme/app"])
        {
            var jit = await github.AsApp(scope).CreateJitRunnerAsync($"rvm-{scope.Length}", 1, ["self-hosted", "rvm"], Stop);
            var runner = github.World.Runners.Single(r => r.Id == jit.RunnerId);
            Assert.Equal(($"rvm-{scope.Length}", "self-hosted,rvm"), (runner.Name, string.Join(',', runner.Labels)));
            Assert.Contains(".credentials", System.Text.Encoding.UTF8.GetString(Convert.FromBase64String(jit.Encoded)));
            Assert.DoesNotContain(jit.Encoded, jit.ToString());
        }
    }

    [Fact(Timeout = Timeout)]
    public async Task A_given_installation_is_not_looked_for_and_the_number_of_the_App_is_as_good_as_its_client_id()
    {
        await using var github = await GitHubFixture.StartAsync();
        Assert.NotEmpty(await github.AsApp(issuer: "123", installation: 44).CreateRegistrationTokenAsync(Stop));
        Assert.Equal(0, github.World.Requests.Count("GET", "/installation"));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_token_is_renewed_five_minutes_before_its_end_and_once_however_many_ask()
    {
        await using var github = await GitHubFixture.StartAsync();
        var api = github.AsApp();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => api.ListRunnersAsync(Stop)));
        Assert.Equal(1, github.World.Requests.Count("POST", "access_tokens"));
        github.Time.Advance(TimeSpan.FromMinutes(54));
        await api.ListRunnersAsync(Stop);
        Assert.Equal(1, github.World.Requests.Count("POST", "access_tokens"));
        github.Time.Advance(TimeSpan.FromMinutes(2));
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => api.ListRunnersAsync(Stop)));
        Assert.Equal(2, github.World.Requests.Count("POST", "access_tokens"));
        Assert.Equal(0, github.World.Requests.Count("GET", "", 401));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_token_GitHub_takes_back_is_renewed_once()
    {
        await using var github = await GitHubFixture.StartAsync();
        var api = github.AsApp();
        await api.ListRunnersAsync(Stop);
        github.World.Tokens.RevokeAll(TokenKind.Rest);
        await api.ListRunnersAsync(Stop);
        Assert.Equal(1, github.World.Requests.Count("GET", "/actions/runners", 401));
        Assert.Equal(2, github.World.Requests.Count("POST", "access_tokens"));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_token_whose_file_was_replaced_is_read_again_and_one_that_was_not_is_not_tried_twice()
    {
        await using var github = await GitHubFixture.StartAsync();
        var token = github.World.Tokens.NewPersonal();
        using var api = new GitHubApi(github.Address(), new GitHubCredential.Token(() => token, "a test"), github.Time);
        await api.ListRunnersAsync(Stop);
        github.World.Tokens.RevokeAll(TokenKind.Rest);
        token = github.World.Tokens.NewPersonal();
        await api.ListRunnersAsync(Stop);

        github.World.Tokens.RevokeAll(TokenKind.Rest);
        var refusal = await Assert.ThrowsAsync<GitHubException>(() => api.ListRunnersAsync(Stop));
        Assert.Equal(GitHubFault.Unauthorized, refusal.Fault);
        Assert.Equal(2, github.World.Requests.Count("GET", "/actions/runners", 401));
        Assert.DoesNotContain(token, refusal.Message);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_clock_that_is_off_is_named_as_the_reason()
    {
        await using var github = await GitHubFixture.StartAsync();
        var ahead = new FakeTimeProvider(github.Time.GetUtcNow() + TimeSpan.FromMinutes(7));
        var refusal = await Assert.ThrowsAsync<GitHubException>(() => github.AsApp(time: ahead).ListRunnersAsync(Stop));
        Assert.Equal(GitHubFault.Unauthorized, refusal.Fault);
        Assert.Contains("this host's clock is 7m ahead of GitHub's; set it", refusal.Message);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_clock_a_little_ahead_is_no_trouble()
    {
        await using var github = await GitHubFixture.StartAsync();
        var api = github.AsApp(time: new FakeTimeProvider(github.Time.GetUtcNow() + TimeSpan.FromSeconds(45)));
        Assert.Empty(await api.ListRunnersAsync(Stop));
        Assert.Null(api.Clock.Complaint);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_missing_permission_a_suspension_and_a_missing_installation_are_one_sentence_each()
    {
        async Task<string> RefusalAsync(string? access, bool suspended, string scope)
        {
            await using var github = await GitHubFixture.StartAsync(access, suspended);
            return (await Assert.ThrowsAsync<GitHubException>(() => github.AsApp(scope).CreateRegistrationTokenAsync(Stop))).Message;
        }

        Assert.Equal(
            "The GitHub App Iv23liStandIn may not make runners for the organization acme: it has read access where it needs the organization permission Self-hosted runners: write (classic token: admin:org). Change it on the App's page under \"Permissions\", then accept the change where it is installed.",
            await RefusalAsync("read", false, "acme"));
        Assert.Contains("it has no access where it needs the repository permission Administration: write", await RefusalAsync(null, false, "acme/app"));
        Assert.Contains("is suspended since 2026-01-02", await RefusalAsync("write", true, "acme"));
        Assert.Contains("answered 404 (Not Found): it is not there, or hidden from this token; this needs the App to be installed on it", await RefusalAsync("write", false, "other"));
        Assert.Contains("GitHub gives Apps no runners of an enterprise", await RefusalAsync("write", false, "enterprises/big"));
    }

    [Fact(Timeout = Timeout)]
    public async Task Another_Apps_key_and_another_Apps_id_are_refused()
    {
        await using var github = await GitHubFixture.StartAsync();
        using var other = RSA.Create(2048);
        var key = await Assert.ThrowsAsync<GitHubException>(() => github.AsApp(key: other).ListRunnersAsync(Stop));
        Assert.Contains("A JSON web token could not be decoded", key.Message);
        var id = await Assert.ThrowsAsync<GitHubException>(() => github.AsApp(issuer: "Iv99").ListRunnersAsync(Stop));
        Assert.Contains("Integration not found", id.Message);
    }

    [Fact(Timeout = Timeout)]
    public async Task What_fails_by_GitHubs_trouble_is_asked_again_and_what_was_refused_is_not()
    {
        await using var github = await GitHubFixture.StartAsync();
        var hurried = new HurriedTime(github.Time.GetUtcNow());
        var api = github.AsPerson(time: hurried);
        github.Server.Knobs.Fail("/actions/runners", 502, times: 3);
        Assert.Empty(await api.ListRunnersAsync(Stop));
        Assert.Equal(4, github.World.Requests.Count("GET", "/actions/runners"));

        github.Server.Knobs.Fail("/actions/runners", 502, times: 4);
        var away = await Assert.ThrowsAsync<GitHubException>(() => api.ListRunnersAsync(Stop));
        Assert.True(away.IsTransient);
        Assert.Contains("answered 502", away.Message);

        github.Server.Knobs.Fail("/actions/runners", 403, body: """{"message":"Resource not accessible by personal access token"}""");
        var forbidden = await Assert.ThrowsAsync<GitHubException>(() => api.ListRunnersAsync(Stop));
        Assert.Equal(GitHubFault.Forbidden, forbidden.Fault);
        Assert.Contains("(Resource not accessible by personal access token): this needs the organization permission", forbidden.Message);
        Assert.Equal(9, github.World.Requests.Count("GET", "/actions/runners"));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_used_up_rate_limit_is_waited_for_without_asking_on()
    {
        await using var github = await GitHubFixture.StartAsync();
        var api = github.AsPerson();
        github.World.RateLimitRemaining = 0;
        var limited = await Assert.ThrowsAsync<GitHubException>(() => api.ListRunnersAsync(Stop));
        Assert.Equal((GitHubFault.RateLimited, github.Time.GetUtcNow() + TimeSpan.FromMinutes(20)), (limited.Fault, limited.RetryAt));
        await Assert.ThrowsAsync<GitHubException>(() => api.ListRunnersAsync(Stop));
        Assert.Equal(1, github.World.Requests.Count("GET", "/actions/runners"));

        github.World.RateLimitRemaining = null;
        github.Time.Advance(TimeSpan.FromMinutes(20));
        Assert.Empty(await api.ListRunnersAsync(Stop));
        Assert.InRange(api.Limit.Remaining!.Value, 4900, 5000);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_secondary_limit_without_a_time_pauses_twice_as_long_each_time()
    {
        await using var github = await GitHubFixture.StartAsync();
        var api = github.AsPerson();
        foreach (var seconds in (int[])[60, 120, 240])
        {
            github.Server.Knobs.Fail("/actions/runners", 403, body: """{"message":"You have exceeded a secondary rate limit."}""");
            var limited = await Assert.ThrowsAsync<GitHubException>(() => api.ListRunnersAsync(Stop));
            Assert.Equal(github.Time.GetUtcNow() + TimeSpan.FromSeconds(seconds), limited.RetryAt);
            github.Time.Advance(TimeSpan.FromSeconds(seconds));
        }

        github.Server.Knobs.Fail("/actions/runners", 429, headers: static h => h.RetryAfter = "17");
        Assert.Equal(github.Time.GetUtcNow() + TimeSpan.FromSeconds(17), (await Assert.ThrowsAsync<GitHubException>(() => api.ListRunnersAsync(Stop))).RetryAt);
    }

    [Fact(Timeout = Timeout)]
    public async Task Lists_that_did_not_change_are_answered_304_and_cost_nothing()
    {
        await using var github = await GitHubFixture.StartAsync();
        var api = github.AsPerson("acme/app");
        var run = github.World.QueueRun("acme/app", ["self-hosted", "rvm"], ["ubuntu-latest"]);
        var repository = new GitHubScope.Repository("acme", "app");
        for (var i = 0; i < 3; i++)
        {
            var found = Assert.Single(await api.ListRunsAsync(repository, CheckRunStatusFilter.Queued, Stop));
            var jobs = await api.ListJobsAsync(repository, found.Id, Stop);
            Assert.Equal([run.Jobs[0].Id, run.Jobs[1].Id], jobs.Select(static j => j.Id));
            Assert.Equal(("queued", "self-hosted,rvm"), (jobs[0].Status.StringValue, string.Join(',', jobs[0].Labels)));
        }

        Assert.Equal((2, 4), (github.World.Requests.Count("GET", "/actions/runs", 200), github.World.Requests.Count("GET", "/actions/runs", 304)));
        Assert.Equal(4998, api.Limit.Remaining);
    }

    [Fact(Timeout = Timeout)]
    public async Task More_runners_than_a_page_holds_are_all_listed_and_removed_as_they_may_be()
    {
        await using var github = await GitHubFixture.StartAsync();
        var api = github.AsPerson("acme/app");
        var jits = new List<JitConfiguration>();
        for (var i = 0; i < 102; i++) jits.Add(await api.CreateJitRunnerAsync($"rvm-{i}", 1, ["rvm"], Stop));
        Assert.Equal(102, (await api.ListRunnersAsync(Stop)).Count);

        var busy = github.World.Runners[0];
        busy.Job = github.World.QueueJob("acme/app", "rvm");
        Assert.Equal(RunnerRemoval.StillBusy, await api.DeleteRunnerAsync(busy.Id, Stop));
        Assert.Equal(RunnerRemoval.Removed, await api.DeleteRunnerAsync(jits[1].RunnerId, Stop));
        Assert.Equal(RunnerRemoval.WasGone, await api.DeleteRunnerAsync(jits[1].RunnerId, Stop));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_name_that_is_taken_a_wrong_group_and_a_place_that_is_not_there_are_told_apart()
    {
        await using var github = await GitHubFixture.StartAsync();
        var api = github.AsPerson();
        await api.CreateJitRunnerAsync("rvm", 1, ["rvm"], Stop);
        Assert.Equal(GitHubFault.Conflict, (await Assert.ThrowsAsync<GitHubException>(() => api.CreateJitRunnerAsync("rvm", 1, ["rvm"], Stop))).Fault);
        Assert.Equal(GitHubFault.Forbidden, (await Assert.ThrowsAsync<GitHubException>(() => api.CreateJitRunnerAsync("rvm2", 2, ["rvm"], Stop))).Fault);
        Assert.Equal(GitHubFault.NotFound, (await Assert.ThrowsAsync<GitHubException>(() => api.CreateJitRunnerAsync("rvm2", 9, ["rvm"], Stop))).Fault);
        var labels = await Assert.ThrowsAsync<GitHubException>(() => api.CreateJitRunnerAsync("rvm2", 1, [], Stop));
        Assert.Equal(GitHubFault.Invalid, labels.Fault);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_host_that_is_not_there_is_one_sentence()
    {
        using var api = new GitHubApi(GitHubAddress.Parse("http://127.0.0.1:9/acme"), new GitHubCredential.Token(static () => "t", "a test"), new HurriedTime(DateTimeOffset.UnixEpoch));
        var away = await Assert.ThrowsAsync<GitHubException>(() => api.ListRunnersAsync(Stop));
        Assert.Equal("Cannot list the runners of the organization acme: no connection to 127.0.0.1:9 (Connection refused).", away.Message);
    }
}
