using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using Microsoft.Extensions.Time.Testing;
using RunnerVm.Commands;
using RunnerVm.Images;
using RunnerVm.Images.Runners;
using RunnerVm.Operate;
using RunnerVm.Store;
using RunnerVm.Tests.StandIns.GitHub;
using Xunit;

namespace RunnerVm.Tests.Executor.Images;

public sealed class RunnerStoreTests : IDisposable
{
    private const int Timeout = 60_000;
    private static readonly DateTimeOffset Now = new(2026, 11, 25, 12, 0, 0, TimeSpan.Zero);

    private readonly string _root = Directory.CreateTempSubdirectory("rv").FullName;
    private readonly DataDirectory _data;
    private readonly FakeTimeProvider _time = new(Now);
    private readonly RunnerStore _store;

    public RunnerStoreTests()
    {
        _data = new(Path.Join(_root, "data"));
        _store = new(_data, _time);
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact(Timeout = Timeout)]
    public async Task A_runner_from_a_folder_and_from_an_archive_becomes_a_read_only_disk_and_the_last_two_stay()
    {
        await FetchAsync(Folder("2.334.0"));
        await FetchAsync(await ArchiveAsync(Folder("2.336.0")));
        var newest = await FetchAsync(Folder("2.335.1"), released: Now - TimeSpan.FromDays(10));
        Assert.Equal(["2.336.0", "2.335.1"], _store.List().Select(static d => d.Version));
        Assert.Equal(80, newest.DaysLeft(Now));
        // The superblock's magic number of erofs, at byte 1024.
        Assert.Equal([0xE2, 0xE1, 0xF5, 0xE0], File.ReadAllBytes(newest.Path)[1024..1028]);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead, File.GetUnixFileMode(newest.Path));
        Assert.Equal(4, Directory.GetFiles(_data.Runners).Count(static f => !Path.GetFileName(f).StartsWith('.')));
    }

    [Fact(Timeout = Timeout)]
    public async Task An_archive_must_have_the_digest_it_should_have()
    {
        var archive = await ArchiveAsync(Folder("2.336.0"));
        var digest = Convert.ToHexString(SHA256.HashData(await File.ReadAllBytesAsync(archive, TestContext.Current.CancellationToken)));
        Assert.Equal(digest.ToLowerInvariant(), (await FetchAsync(archive, digest)).Sha256);
        var refusal = await Assert.ThrowsAsync<UserException>(() => FetchAsync(archive, new string('0', 64)));
        Assert.Contains($"its SHA-256 is {digest.ToLowerInvariant()}, not 000", refusal.Message);
    }

    [Fact(Timeout = Timeout)]
    public async Task What_is_no_runner_is_refused_in_a_sentence_and_leaves_nothing()
    {
        var empty = Directory.CreateDirectory(Path.Join(_root, "empty")).FullName;
        var text = Path.Join(_root, "text.tar.gz");
        await File.WriteAllTextAsync(text, "no archive", TestContext.Current.CancellationToken);
        var unversioned = Folder("2.336.0");
        File.Delete(Path.Join(unversioned, "bin/Runner.Listener.deps.json"));
        foreach (var (from, reason) in ((string, string)[])
            [(empty, "it has no bin/Runner.Listener"), (text, "it is no .tar.gz archive"), (unversioned, "names no version"), (Path.Join(_root, "none"), "no such file or folder")])
        {
            var refusal = await Assert.ThrowsAsync<UserException>(() => FetchAsync(from));
            Assert.Contains(reason, refusal.Message);
        }

        Assert.Empty(_store.List());
        Assert.Empty(Directory.GetDirectories(_data.Runners));
    }

    [Fact(Timeout = Timeout)]
    public async Task A_release_is_downloaded_once_and_only_as_it_was_released()
    {
        await using var github = await GitHubStandIn.StartAsync();
        using var releases = new RunnerReleases(new Uri(github.Url, "/api/v3/repos/actions/runner/releases").AbsoluteUri);
        var archive = await ArchiveAsync(Folder("2.336.0"));
        github.World.Releases.Publish(new("2.336.0", archive, Now - TimeSpan.FromDays(5)));
        var latest = await FetchAsync(releases);
        Assert.Equal(("2.336.0", 85), (latest.Version, latest.DaysLeft(Now)));
        await FetchAsync(releases, "v2.336.0");
        Assert.Equal(1, github.World.Requests.Count("GET", "/download/", 200));

        github.World.Releases.Publish(new("2.337.0", await ArchiveAsync(Folder("2.337.0")), Now) { DigestInNotes = true });
        Assert.Equal("2.337.0", (await FetchAsync(releases, "2.337.0")).Version);
        github.World.Releases.Publish(new("2.338.0", archive, Now) { Digest = new('0', 64) });
        github.World.Releases.Publish(new("2.339.0", archive, Now) { Digest = "" });
        foreach (var (version, reason) in ((string, string)[])[("2.338.0", "not 000"), ("2.339.0", "names no SHA-256"), ("2.1.0", "there is no version 2.1.0")])
            Assert.Contains(reason, (await Assert.ThrowsAsync<UserException>(() => FetchAsync(releases, version))).Message);
        Assert.Equal(["2.337.0", "2.336.0"], _store.List().Select(static d => d.Version));
    }

    [Theory(Timeout = Timeout)]
    [InlineData(10, CheckStatus.Ok, "2.336.0, about 80 days left")]
    [InlineData(61, CheckStatus.Warn, "2.336.0, about 29 days left")]
    [InlineData(91, CheckStatus.Warn, "2.336.0, past its time")]
    internal async Task Doctor_says_how_long_GitHub_still_serves_it(int age, CheckStatus status, string detail)
    {
        await FetchAsync(Folder("2.336.0"), released: Now - TimeSpan.FromDays(age));
        var check = RunnerCommand.Check(_store, _time);
        Assert.Equal((status, detail), (check.Status, check.Detail));
    }

    private Task<RunnerDisk> FetchAsync(string from, string? sha256 = null, DateTimeOffset? released = null) =>
        _store.FetchAsync(from, sha256, released, new Progress<BuildProgress>(), TestContext.Current.CancellationToken);

    private Task<RunnerDisk> FetchAsync(RunnerReleases releases, string? version = null) =>
        _store.FetchReleaseAsync(releases, version, new Progress<BuildProgress>(), TestContext.Current.CancellationToken);

    private string Folder(string version)
    {
        var bin = Directory.CreateDirectory(Path.Join(_root, $"runner-{version}", "bin")).FullName;
        var listener = Path.Join(bin, "Runner.Listener");
        File.WriteAllText(listener, "#!/bin/sh\n");
        File.SetUnixFileMode(listener, File.GetUnixFileMode(listener) | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        File.WriteAllText(listener + ".deps.json", $$"""{"libraries": {"Runner.Listener/{{version}}": {"type": "project"} } }""");
        return Path.GetDirectoryName(bin)!;
    }

    private async Task<string> ArchiveAsync(string folder)
    {
        var path = folder + ".tar.gz";
        await using var zipped = new GZipStream(File.Create(path), CompressionLevel.Fastest);
        await TarFile.CreateFromDirectoryAsync(folder, zipped, includeBaseDirectory: false, TestContext.Current.CancellationToken);
        return path;
    }
}
