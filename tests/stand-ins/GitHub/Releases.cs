using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>Releases of the official runner: what a version is looked up by, and its archive.</summary>
public sealed class Releases
{
    private readonly Lock _gate = new();
    private readonly List<StandInRelease> _all = [];

    /// <summary>Publishes an archive; the one published last is the latest.</summary>
    public void Publish(StandInRelease release)
    {
        lock (_gate) _all.Add(release);
    }

    internal void Map(WebApplication application, GitHubWorld world)
    {
        application.MapGet("/api/v3/repos/actions/runner/releases/latest", c => AnswerAsync(c, world, static _ => true));
        application.MapGet("/api/v3/repos/actions/runner/releases/tags/{tag}", c => AnswerAsync(c, world, r => $"v{r.Version}" == c.Path("tag")));
        application.MapGet("/actions/runner/releases/download/{file}", c => Find(r => r.File == c.Path("file")) is { } release
            ? c.Response.SendFileAsync(release.Archive)
            : c.RefuseAsync(404, "Not Found"));
    }

    private Task AnswerAsync(HttpContext context, GitHubWorld world, Predicate<StandInRelease> which)
    {
        if (Find(which) is not { } release) return context.RefuseAsync(404, "Not Found");
        var digest = release.Digest ?? Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(release.Archive)));
        var asset = new JsonObject { ["name"] = release.File, ["browser_download_url"] = new Uri(world.Url, $"/actions/runner/releases/download/{release.File}").AbsoluteUri };
        if (!release.DigestInNotes) asset["digest"] = $"sha256:{digest}";
        return context.WriteAsync(200, new JsonObject
        {
            ["tag_name"] = $"v{release.Version}", ["published_at"] = release.Published, ["body"] = release.DigestInNotes ? $"- linux-x64 <!-- BEGIN SHA linux-x64 -->{digest}<!-- END SHA linux-x64 -->" : "",
            ["assets"] = new JsonArray(new JsonObject { ["name"] = $"actions-runner-osx-x64-{release.Version}.tar.gz", ["browser_download_url"] = "https://unused.example/" }, asset),
        });
    }

    private StandInRelease? Find(Predicate<StandInRelease> which)
    {
        lock (_gate) return _all.FindLast(which);
    }
}

/// <param name="Archive">Path of the .tar.gz.</param>
public sealed record StandInRelease(string Version, string Archive, DateTimeOffset Published)
{
    /// <summary>Said instead of the archive's own.</summary>
    public string? Digest { get; init; }

    /// <summary>As older releases have it.</summary>
    public bool DigestInNotes { get; init; }

    internal string File => $"actions-runner-linux-x64-{Version}.tar.gz";
}
