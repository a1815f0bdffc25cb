using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using RunnerVm.Sources.GitLab.Wire;
using RunnerVm.Tests.StandIns.GitLab;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitLab;

/// <summary>The stand-in is as strict as it says: tests that lean on it would prove nothing otherwise.</summary>
public sealed class StandInTests
{
    [Fact]
    public async Task Wrong_ranges_tokens_and_checksums_are_refused_and_written_down()
    {
        await using var server = await GitLabStandIn.StartAsync();
        var job = server.Queue("strict", ["true"]);
        using (var http = new GitLabHttp(new(server.Url), TimeProvider.System))
        {
            Assert.IsType<JobAnswer.Refused>(await new RunnerConnection(http, "glrt-other", "r_1").RequestAsync(CancellationToken.None));
            Assert.IsType<JobAnswer.Job>(await new RunnerConnection(http, GitLabStandIn.RunnerToken, "r_1").RequestAsync(CancellationToken.None));
            await new JobConnection(http, job.Id, job.Token).UpdateAsync("running", CancellationToken.None);
        }

        Assert.Empty(server.Violations);
        using var client = new HttpClient { BaseAddress = new(server.Url, "api/v4/") };
        Assert.Equal(HttpStatusCode.Accepted, await AppendAsync(client, job, job.Token, "0-4", "hello"));
        Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, await AppendAsync(client, job, job.Token, "0-4", "again"));
        Assert.Equal(HttpStatusCode.RequestedRangeNotSatisfiable, await AppendAsync(client, job, job.Token, "6-10", "a gap"));
        Assert.Equal(HttpStatusCode.BadRequest, await AppendAsync(client, job, job.Token, "5-99", "short"));
        Assert.Equal(HttpStatusCode.BadRequest, await AppendAsync(client, job, job.Token, "bytes 5-9/10", "units"));
        Assert.Equal(HttpStatusCode.Forbidden, await AppendAsync(client, job, "glcbt-other", "5-9", "other"));
        Assert.Equal(HttpStatusCode.PreconditionFailed, await FinishAsync(client, job, "crc32:00000000", 5));
        Assert.Equal(HttpStatusCode.PreconditionFailed, await FinishAsync(client, job, "crc32:3610a686", 4));
        Assert.Equal(("running", "hello"), (job.State, job.TraceText));
        Assert.Equal(HttpStatusCode.OK, await FinishAsync(client, job, "crc32:3610a686", 5));
        Assert.Equal("success", job.State);
        foreach (var what in (string[])["range 5-99 for 5 bytes", "Content-Range 'bytes 5-9/10'", "a wrong JOB-TOKEN", "checksum crc32:00000000 of 5 bytes", "of 4 bytes instead of crc32:3610a686 of 5"])
            Assert.Contains(server.Violations, violation => violation.Contains(what, StringComparison.Ordinal));
    }

    private static async Task<HttpStatusCode> AppendAsync(HttpClient client, StandInJob job, string token, string range, string text)
    {
        using var request = new HttpRequestMessage(HttpMethod.Patch, $"jobs/{job.Id}/trace?debug_trace=false") { Content = new StringContent(text, Encoding.ASCII, "text/plain") };
        request.Headers.TryAddWithoutValidation("JOB-TOKEN", token);
        request.Content.Headers.TryAddWithoutValidation("Content-Range", range);
        using var response = await client.SendAsync(request);
        return response.StatusCode;
    }

    private static async Task<HttpStatusCode> FinishAsync(HttpClient client, StandInJob job, string checksum, int bytes)
    {
        var body = new JsonObject { ["token"] = job.Token, ["state"] = "success", ["output"] = new JsonObject { ["checksum"] = checksum, ["bytesize"] = bytes } };
        using var request = new HttpRequestMessage(HttpMethod.Put, $"jobs/{job.Id}") { Content = JsonContent.Create(body) };
        request.Headers.TryAddWithoutValidation("JOB-TOKEN", job.Token);
        using var response = await client.SendAsync(request);
        return response.StatusCode;
    }
}
