using RunnerVm.Sources.GitHub;
using RunnerVm.Sources.GitHub.Rest;
using RunnerVm.Sources.GitHub.ScaleSets;
using RunnerVm.Tests.StandIns.GitHub;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitHub;

public sealed class ScaleSetClientTests
{
    private const int Timeout = 30_000;
    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact(Timeout = Timeout)]
    public async Task A_scale_set_is_made_adopted_and_changed_to_what_is_asked_for()
    {
        await using var github = await GitHubFixture.StartAsync();
        var client = github.ScaleSets();
        var made = await client.AdoptAsync("small", null, ["small", "kvm"], Stop);
        var there = github.World.ScaleSets.Single();
        Assert.Equal((made.Id, "small", 1L, true, "small,kvm"), ((int)there.Id, there.Name, there.GroupId, there.DisableUpdate, string.Join(',', there.Labels)));

        Assert.Equal(made.Id, (await github.ScaleSets().AdoptAsync("small", "default", ["KVM", "small"], Stop)).Id);
        Assert.Equal(0, github.World.Requests.Count("PATCH", "runnerscalesets"));
        Assert.Equal(made.Id, (await client.AdoptAsync("small", null, ["small", "arm"], Stop)).Id);
        Assert.Equal(["small", "arm"], github.World.ScaleSets.Single().Labels);

        await client.DeleteAsync(made.Id, Stop);
        Assert.Empty(github.World.ScaleSets);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_runner_group_is_found_by_its_name_or_named_as_missing()
    {
        await using var github = await GitHubFixture.StartAsync();
        var set = await github.ScaleSets().AdoptAsync("big", "builders", ["big"], Stop);
        Assert.Equal(7, set.RunnerGroupId);
        var missing = await Assert.ThrowsAsync<GitHubException>(() => github.ScaleSets().AdoptAsync("big", "bakers", ["big"], Stop));
        Assert.Contains("There is no runner group \"bakers\"", missing.Message);
    }

    [Fact(Timeout = Timeout)]
    public async Task The_admin_token_is_bought_once_and_anew_before_its_end_and_after_a_refusal()
    {
        await using var github = await GitHubFixture.StartAsync();
        var client = github.ScaleSets();
        var set = await client.AdoptAsync("small", null, ["small"], Stop);
        await client.CreateJitRunnerAsync(set.Id, "a", Stop);
        Assert.Equal(1, github.World.Requests.Count("POST", "runner-registration"));

        github.Time.Advance(TimeSpan.FromMinutes(59.5));
        await client.CreateJitRunnerAsync(set.Id, "b", Stop);
        Assert.Equal(2, github.World.Requests.Count("POST", "runner-registration"));
        Assert.Equal(0, github.World.Requests.Count("POST", "generatejitconfig", 401));

        github.World.Tokens.RevokeAll(TokenKind.Admin);
        await client.CreateJitRunnerAsync(set.Id, "c", Stop);
        Assert.Equal(1, github.World.Requests.Count("POST", "generatejitconfig", 401));
        Assert.Equal(["a", "b", "c"], github.World.Runners.Select(static r => r.Name));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_registration_that_is_refused_for_a_moment_is_tried_again()
    {
        await using var github = await GitHubFixture.StartAsync();
        github.Server.Knobs.Fail("/runner-registration", 401);
        github.Server.Knobs.Fail("/runner-registration", 403);
        await github.ScaleSets(new HurriedTime(github.Time.GetUtcNow())).AdoptAsync("small", null, ["small"], Stop);
        Assert.Equal(1, github.World.Requests.Count("POST", "runner-registration", 200));
    }

    [Fact(Timeout = Timeout)]
    public async Task Answers_that_begin_with_a_byte_order_mark_are_read()
    {
        await using var github = await GitHubFixture.StartAsync();
        github.Server.Knobs.ByteOrderMark = true;
        var client = github.ScaleSets();
        var set = await client.AdoptAsync("small", null, ["small"], Stop);
        var session = await client.OpenSessionAsync(set.Id, "host", Stop);
        github.World.QueueJob("acme/app", "small");
        var message = await session.PollAsync(0, 1, Stop);
        Assert.Equal(1, message!.Statistics!.TotalAssignedJobs);
    }

    [Fact(Timeout = Timeout)]
    public async Task Errors_of_the_service_are_told_apart_and_carry_its_activity()
    {
        await using var github = await GitHubFixture.StartAsync();
        var client = github.ScaleSets();
        var set = await client.AdoptAsync("small", null, ["small"], Stop);
        var jit = await client.CreateJitRunnerAsync(set.Id, "a", Stop);
        var taken = await Assert.ThrowsAsync<ServiceException>(() => client.CreateJitRunnerAsync(set.Id, "a", Stop));
        Assert.True(taken is { RunnerExists: true, SessionIsTaken: false });
        Assert.EndsWith("answered 409 (A runner named a already exists).", taken.Message);
        Assert.True(Guid.TryParse(taken.Activity, out _));

        Assert.Equal(jit.RunnerId, (await client.FindRunnerAsync("a", Stop))!.Id);
        github.World.Runners.Single().Job = github.World.QueueJob("acme/app", "other");
        Assert.Equal(RunnerRemoval.StillBusy, await client.DeleteRunnerAsync(jit.RunnerId, Stop));
        github.World.Runners.Single().Job = null;
        Assert.Equal(RunnerRemoval.Removed, await client.DeleteRunnerAsync(jit.RunnerId, Stop));
        Assert.Equal(RunnerRemoval.WasGone, await client.DeleteRunnerAsync(jit.RunnerId, Stop));
        Assert.Null(await client.FindRunnerAsync("a", Stop));

        await client.OpenSessionAsync(set.Id, "host", Stop);
        Assert.True((await Assert.ThrowsAsync<ServiceException>(() => client.OpenSessionAsync(set.Id, "other", Stop))).SessionIsTaken);
        await client.DeleteAsync(set.Id, Stop);
        Assert.True((await Assert.ThrowsAsync<ServiceException>(() => client.CreateJitRunnerAsync(set.Id, "b", Stop))).ScaleSetIsGone);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_service_in_trouble_is_asked_again_and_text_instead_of_JSON_is_no_surprise()
    {
        await using var github = await GitHubFixture.StartAsync();
        var client = github.ScaleSets(new HurriedTime(github.Time.GetUtcNow()));
        github.Server.Knobs.Fail("/runnerscalesets", 503, times: 4, body: "<html>upstream</html>");
        var set = await client.AdoptAsync("small", null, ["small"], Stop);
        github.Server.Knobs.Fail("/generatejitconfig", 418, body: "no JSON");
        var odd = await Assert.ThrowsAsync<ServiceException>(() => client.CreateJitRunnerAsync(set.Id, "a", Stop));
        Assert.Contains("answered 418.", odd.Message);
        github.Server.Knobs.Fail("/generatejitconfig", 200, times: 9, body: "{ not JSON");
        Assert.Equal(GitHubFault.Garbled, (await Assert.ThrowsAsync<GitHubException>(() => client.CreateJitRunnerAsync(set.Id, "a", Stop))).Fault);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_server_without_scale_sets_is_named_with_the_way_out()
    {
        await using var github = await GitHubFixture.StartAsync();
        github.Server.Knobs.Fail("/runner-registration", 404, body: """{"message":"Not Found"}""");
        var missing = await Assert.ThrowsAsync<GitHubException>(() => github.ScaleSets().AdoptAsync("small", null, ["small"], Stop));
        Assert.Contains("use mode: polling", missing.Message);
    }

    [Fact(Timeout = Timeout)]
    public async Task A_queue_whose_token_is_over_is_given_another_without_losing_a_message()
    {
        await using var github = await GitHubFixture.StartAsync();
        var client = github.ScaleSets();
        var set = await client.AdoptAsync("small", null, ["small"], Stop);
        var session = await client.OpenSessionAsync(set.Id, "host", Stop);
        github.World.QueueJob("acme/app", "small");
        github.World.Tokens.RevokeAll(TokenKind.Queue);
        var message = await session.PollAsync(0, 1, Stop);
        github.World.Tokens.RevokeAll(TokenKind.Queue);
        await session.AcknowledgeAsync(message!.MessageId, Stop);
        github.World.Tokens.RevokeAll(TokenKind.Queue);
        Assert.Empty((await session.AcquireAsync([5], Stop))!.Value!);
        Assert.Null(await session.PollAsync(message.MessageId, 1, Stop));
        Assert.Equal(3, github.World.Requests.Count("PATCH", "/sessions/", 200));
        await session.CloseAsync(Stop);
        await session.CloseAsync(Stop);
        Assert.Null(github.World.ScaleSets.Single().Session);
    }
}
