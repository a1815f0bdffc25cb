using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;

namespace RunnerVm.Images.Runners;

/// <summary>GitHub's releases of its runner, or a mirror that answers like them.</summary>
internal sealed partial class RunnerReleases : IDisposable
{
    public const string DefaultAddress = "https://api.github.com/repos/actions/runner/releases";

    /// <summary>For mirrors, and for tests.</summary>
    public const string AddressVariable = "RUNNERVM_RUNNER_RELEASES";

    private const int MostAnswerBytes = 4 << 20;

    private const long MostArchiveBytes = 1L << 30;

    private readonly Uri _address;
    private readonly HttpClient _http;

    /// <exception cref="UserException">It is no web address.</exception>
    public RunnerReleases(string address)
    {
        _address = Uri.TryCreate(address, UriKind.Absolute, out var uri) && uri.Scheme is "https" or "http"
            ? uri
            : throw new UserException(ExitCodes.Usage, $"\"{address}\" is no address of runner releases; write one like {DefaultAddress}.");
        _http = new() { MaxResponseContentBufferSize = MostAnswerBytes, Timeout = TimeSpan.FromSeconds(60) };
        _http.DefaultRequestHeaders.UserAgent.Add(new("runnervm", Product.Version));
        _http.DefaultRequestHeaders.Accept.ParseAdd("application/vnd.github+json");
    }

    /// <param name="version">As in 2.336.0; null: the latest.</param>
    /// <exception cref="UserException">It cannot be looked up, or GitHub names no digest for it.</exception>
    public async Task<RunnerRelease> FindAsync(string? version, CancellationToken cancellationToken)
    {
        var uri = new Uri($"{_address.AbsoluteUri.TrimEnd('/')}/{(version is null ? "latest" : $"tags/v{version.TrimStart('v')}")}");
        ReleaseAnswer? answer;
        try
        {
            using var response = await _http.GetAsync(uri, cancellationToken);
            if (response.StatusCode == HttpStatusCode.NotFound) throw Failed(uri, version is null ? "there is no release" : $"there is no version {version}");
            if (!response.IsSuccessStatusCode) throw Failed(uri, $"it answered {(int)response.StatusCode} {response.ReasonPhrase}");
            answer = JsonSerializer.Deserialize(await response.Content.ReadAsByteArrayAsync(cancellationToken), ReleaseJson.Default.ReleaseAnswer);
        }
        catch (Exception e) when (e is HttpRequestException or JsonException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw Failed(uri, e is JsonException ? "its answer is no release" : e.Message.TrimEnd('.'));
        }

        return Choose(answer, uri);
    }

    /// <summary>Brings the archive into a file. What it is must still be checked against its digest.</summary>
    public async Task DownloadAsync(RunnerRelease release, string path, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        try
        {
            using var response = await _http.GetAsync(release.Archive, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (!response.IsSuccessStatusCode) throw Failed(release.Archive, $"it answered {(int)response.StatusCode} {response.ReasonPhrase}");
            await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
            await using var file = new FileStream(path, FileMode.CreateNew);
            await CopyAsync(body, file, response.Content.Headers.ContentLength, release, progress, cancellationToken);
        }
        catch (Exception e) when (e is HttpRequestException or HttpIOException)
        {
            throw Failed(release.Archive, e.Message.TrimEnd('.'));
        }
    }

    public void Dispose() => _http.Dispose();

    private static async Task CopyAsync(Stream body, FileStream file, long? total, RunnerRelease release, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        var buffer = new byte[1 << 18];
        long done = 0;
        while (await body.ReadAsync(buffer, cancellationToken) is > 0 and var count)
        {
            done += count;
            if (done > MostArchiveBytes) throw Failed(release.Archive, "it is larger than any runner");
            await file.WriteAsync(buffer.AsMemory(0, count), cancellationToken);
            progress.Report(new("runner", total > 0 ? 0.5 * done / total : null, $"downloading version {release.Version}"));
        }
    }

    private static RunnerRelease Choose(ReleaseAnswer? answer, Uri uri)
    {
        if (answer?.TagName is not { } tag || !VersionTag().IsMatch(tag)) throw Failed(uri, "its answer names no version");
        var version = tag[1..];
        var name = $"actions-runner-linux-x64-{version}.tar.gz";
        if (answer.Assets?.FirstOrDefault(a => a.Name == name) is not { } asset || !Uri.TryCreate(asset.BrowserDownloadUrl, UriKind.Absolute, out var archive)) throw Failed(uri, $"it has no {name}");
        var digest = asset.Digest is { } said && said.StartsWith("sha256:", StringComparison.Ordinal) ? said["sha256:".Length..] : DigestInNotes().Match(answer.Body ?? "").Groups[1].Value;
        if (!Digest().IsMatch(digest)) throw Failed(uri, $"it names no SHA-256 of {name}; download it yourself and use --from with --sha256");
        return new(version, archive, digest, answer.PublishedAt);
    }

    private static UserException Failed(Uri what, string why) => new(ExitCodes.Failed, $"Cannot get GitHub's runner from {what}: {why}. A mirror is named by {AddressVariable}; a local archive by --from.");

    [GeneratedRegex("^v[0-9]{1,4}(\\.[0-9]{1,6}){2}$")]
    private static partial Regex VersionTag();

    /// <summary>Older releases have it in their notes only.</summary>
    [GeneratedRegex("BEGIN SHA linux-x64 -->([0-9a-f]{64})<")]
    private static partial Regex DigestInNotes();

    [GeneratedRegex("^[0-9a-fA-F]{64}$")]
    private static partial Regex Digest();
}

/// <param name="Sha256">Of the archive, by whoever released it.</param>
internal sealed record RunnerRelease(string Version, Uri Archive, string Sha256, DateTimeOffset? Released);

internal sealed record ReleaseAnswer(string? TagName, DateTimeOffset? PublishedAt, string? Body, IReadOnlyList<ReleaseAsset>? Assets);

internal sealed record ReleaseAsset(string? Name, string? BrowserDownloadUrl, string? Digest);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ReleaseAnswer))]
internal sealed partial class ReleaseJson : JsonSerializerContext;
