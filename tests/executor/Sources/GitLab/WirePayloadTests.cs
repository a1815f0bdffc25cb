using System.Text;
using RunnerVm.Sources;
using RunnerVm.Sources.GitLab;
using RunnerVm.Sources.GitLab.Traces;
using RunnerVm.Sources.GitLab.Wire;
using RunnerVm.Tests.StandIns.GitLab;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitLab;

/// <summary>Jobs that are not as they should be, as a server hands them over.</summary>
public sealed class WirePayloadTests
{
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
    public async Task An_image_nobody_knows_fails_that_job_with_what_to_do()
    {
        await using var bench = await GitLabBench.StartAsync();
        var job = bench.Server.Queue("strange image", ["true"], static payload => payload["image"] = new System.Text.Json.Nodes.JsonObject { ["name"] = "registry/strange:1" });
        await bench.RunNextAsync();
        Assert.Equal(("failed", "runner_configuration_error"), (job.State, job.FailureReason));
        Assert.Contains("no machine for the image registry/strange:1", job.TraceText);
        bench.AssertNothingIsLeft();
    }
}
