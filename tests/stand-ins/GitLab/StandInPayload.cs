using System.Text.Json.Nodes;

namespace RunnerVm.Tests.StandIns.GitLab;

/// <summary>A job as a GitLab of today hands it over: every field of the protocol, plus some no runner knows yet.</summary>
public static class StandInPayload
{
    public static JsonObject Create(long id, string token, string name, params string[] script) => new()
    {
        ["id"] = id,
        ["token"] = token,
        ["allow_git_fetch"] = true,
        ["job_info"] = new JsonObject
        {
            ["name"] = name, ["stage"] = "test", ["pipeline_id"] = 900, ["project_id"] = 17, ["project_name"] = "demo", ["project_full_path"] = "group/demo",
            ["namespace_id"] = 3, ["root_namespace_id"] = 3, ["user_id"] = 5, ["time_in_queue_seconds"] = 0.25, ["project_jobs_running_on_instance_runners_count"] = "+Inf",
        },
        ["git_info"] = new JsonObject
        {
            ["repo_url"] = $"http://gitlab-ci-token:{token}@127.0.0.1:1/group/demo.git", ["repo_object_format"] = "sha1", ["ref"] = "main",
            ["sha"] = new string('a', 40), ["before_sha"] = new string('0', 40), ["ref_type"] = "branch", ["refspecs"] = new JsonArray("+refs/heads/main:refs/remotes/origin/main"),
            ["depth"] = 20, ["protected"] = true,
        },
        ["runner_info"] = new JsonObject { ["uuid"] = "", ["timeout"] = 3600, ["of_tomorrow"] = 1 },
        ["variables"] = new JsonArray(Variable("CI", "true"), Variable("CI_JOB_ID", $"{id}"), Variable("CI_JOB_TOKEN", token, masked: true), Variable("GIT_STRATEGY", "none")),
        ["steps"] = new JsonArray(new JsonObject
        {
            ["name"] = "script", ["script"] = new JsonArray([.. script.Select(static line => (JsonNode)line)]), ["timeout"] = 3600, ["when"] = "on_success", ["allow_failure"] = false,
        }),
        ["image"] = null,
        ["services"] = new JsonArray(),
        ["artifacts"] = null,
        ["cache"] = new JsonArray(),
        ["credentials"] = new JsonArray(),
        ["dependencies"] = new JsonArray(),
        ["features"] = new JsonObject
        {
            ["trace_sections"] = true, ["token_mask_prefixes"] = new JsonArray("glpat-"),
            ["failure_reasons"] = new JsonArray("unknown_failure", "script_failure", "runner_system_failure", "job_execution_timeout", "runner_interrupted", "image_pull_failure", "runner_configuration_error"),
        },
        ["hooks"] = new JsonArray(),
        ["field_of_tomorrow"] = new JsonObject { ["deep"] = new JsonArray(1, 2, 3) },
    };

    /// <summary>Gives the job a repository that is really there.</summary>
    public static void AddSources(JsonObject payload, Uri server, string sha)
    {
        var git = payload["git_info"]!;
        git["repo_url"] = $"http://gitlab-ci-token:{payload["token"]}@{server.Authority}/group/demo.git";
        git["sha"] = sha;
        var variables = payload["variables"]!.AsArray();
        variables.Remove(variables.Single(static v => v!["key"]!.GetValue<string>() == "GIT_STRATEGY"));
    }

    public static JsonObject Variable(string key, string value, bool masked = false, bool file = false, bool raw = false) => new()
    {
        ["key"] = key, ["value"] = value, ["public"] = !masked, ["file"] = file, ["masked"] = masked, ["raw"] = raw,
    };
}
