using System.Net;
using System.Net.Http.Headers;

namespace RunnerVm.Sources.GitLab.Wire;

/// <content>Artifacts, both ways, as streams.</content>
internal sealed partial class JobConnection
{
    private const int UploadTries = 3;
    private const int UploadTriesWhileUnavailable = 6;
    private const int DownloadTries = 3;

    private static readonly TimeSpan LongestTryPause = TimeSpan.FromSeconds(5);

    /// <summary>Uploads one archive or report.</summary>
    /// <exception cref="GitLabTransferException">It was refused, or given up after several tries.</exception>
    public async Task UploadArtifactsAsync(ArtifactUpload upload, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var (status, said) = await TryUploadAsync(upload, cancellationToken);
            switch (status)
            {
                case HttpStatusCode.Created:
                    return;
                case HttpStatusCode.Forbidden:
                    throw new GitLabTransferException($"GitLab does not let this job upload {upload.FileName}: {said}", permanent: true);
                case HttpStatusCode.RequestEntityTooLarge:
                    throw new GitLabTransferException($"{upload.FileName} is larger than GitLab takes: {said}", permanent: true);
            }

            if (attempt >= (status == HttpStatusCode.ServiceUnavailable ? UploadTriesWhileUnavailable : UploadTries))
                throw new GitLabTransferException($"Uploading {upload.FileName} failed {attempt} times, the last time with: {said}", permanent: false);
            await Task.Delay(Pause(attempt), cancellationToken);
        }
    }

    /// <summary>Downloads the archive of an earlier job.</summary>
    /// <param name="jobToken">What opens that job's archive; it goes to GitLab alone, never to where the archive lies.</param>
    /// <param name="read">Takes the archive; called again from the start when a try failed in the middle.</param>
    /// <exception cref="GitLabTransferException">It is not there, may not be read, or given up after several tries.</exception>
    public async Task DownloadArtifactsAsync(
        long ofJob, string jobToken, Func<Stream, CancellationToken, Task> read, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var failure = await TryDownloadAsync(ofJob, jobToken, direct: attempt == 1, read, cancellationToken);
            if (failure is null) return;
            if (failure.Permanent || attempt >= DownloadTries) throw failure;
            await Task.Delay(TimeSpan.FromSeconds(1), cancellationToken);
        }
    }

    private static TimeSpan Pause(int attempt)
    {
        var pause = TimeSpan.FromSeconds(Math.Pow(2, attempt - 1));
        return pause < LongestTryPause ? pause : LongestTryPause;
    }

    private async Task<(HttpStatusCode? Status, string Said)> TryUploadAsync(ArtifactUpload upload, CancellationToken cancellationToken)
    {
        try
        {
            using var response = await http.SendAsync(() => WithToken(UploadRequest(upload), token), cancellationToken);
            return (response.StatusCode, response.IsSuccessStatusCode ? "" : await GitLabText.RefusalAsync(response, cancellationToken));
        }
        catch (Exception e) when (RunnerConnection.IsTrouble(e, cancellationToken))
        {
            return (null, RunnerConnection.Explain(e));
        }
    }

    private HttpRequestMessage UploadRequest(ArtifactUpload upload)
    {
        var query = new List<string>();
        if (upload.Format is { Length: > 0 } format) query.Add($"artifact_format={Uri.EscapeDataString(format)}");
        if (upload.Type is { Length: > 0 } type) query.Add($"artifact_type={Uri.EscapeDataString(type)}");
        if (upload.ExpireIn is { Length: > 0 } expireIn) query.Add($"expire_in={Uri.EscapeDataString(expireIn)}");
        var file = new StreamedContent(upload.WriteAsync) { Headers = { ContentType = new("application/octet-stream") } };
        var form = new MultipartFormDataContent { { file, "file", upload.FileName } };
        return new(HttpMethod.Post, new Uri($"jobs/{jobId}/artifacts{(query.Count > 0 ? "?" : "")}{string.Join('&', query)}", UriKind.Relative))
        {
            Content = form,
            Headers = { TransferEncodingChunked = true },
        };
    }

    private async Task<GitLabTransferException?> TryDownloadAsync(
        long ofJob, string jobToken, bool direct, Func<Stream, CancellationToken, Task> read, CancellationToken cancellationToken)
    {
        var path = new Uri($"jobs/{ofJob}/artifacts{(direct ? "?direct_download=true" : "")}", UriKind.Relative);
        HttpResponseMessage response;
        try
        {
            response = await http.SendAsync(() => WithToken(new(HttpMethod.Get, path), jobToken), cancellationToken);
        }
        catch (Exception e) when (RunnerConnection.IsTrouble(e, cancellationToken))
        {
            return new($"Downloading the artifacts of job {ofJob} failed: {RunnerConnection.Explain(e)}", permanent: false, e);
        }

        using (response)
        {
            if (response.StatusCode != HttpStatusCode.OK)
            {
                var permanent = response.StatusCode is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden or HttpStatusCode.NotFound;
                return new($"GitLab does not hand out the artifacts of job {ofJob}: {await GitLabText.RefusalAsync(response, cancellationToken)}", permanent);
            }

            try
            {
                await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
                await read(body, cancellationToken);
                return null;
            }
            catch (HttpIOException e)
            {
                return new($"The artifacts of job {ofJob} broke off in the middle: {e.Message}", permanent: false, e);
            }
        }
    }

    /// <summary>A body that is written while it is sent; its length is not known before.</summary>
    private sealed class StreamedContent(Func<Stream, CancellationToken, Task> write) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => write(stream, CancellationToken.None);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) => write(stream, cancellationToken);

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}

/// <summary>One file for GitLab.</summary>
/// <param name="FileName">As it is shown and downloaded, for example <c>artifacts.zip</c>.</param>
/// <param name="Format">As the payload has it; empty or null is not sent.</param>
/// <param name="WriteAsync">Writes the whole content; called once for each attempt.</param>
internal sealed record ArtifactUpload(
    string FileName, string? Format, string? Type, string? ExpireIn, Func<Stream, CancellationToken, Task> WriteAsync);

/// <summary>A file did not reach GitLab, or did not come from there. The message is for the job's log.</summary>
/// <param name="permanent">Trying again would bring the same.</param>
internal sealed class GitLabTransferException(string message, bool permanent, Exception? cause = null) : Exception(message, cause)
{
    public bool Permanent { get; } = permanent;
}
