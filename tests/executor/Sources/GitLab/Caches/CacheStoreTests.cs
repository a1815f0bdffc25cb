using Microsoft.Extensions.Time.Testing;
using RunnerVm.Sources.GitLab;
using RunnerVm.Sources.GitLab.Caches;
using RunnerVm.Sources.GitLab.Payload;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitLab.Caches;

public sealed class CacheStoreTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("rvcache").FullName;
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddYears(50));

    private CacheStore Store(long most = 1 << 20) => new(_root, most, _time);

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("a/../../../b", "b")]
    [InlineData("..", "")]
    [InlineData("a%2Fb%2e%2e", "a/b..")]
    [InlineData("a\\..\\b", "b")]
    [InlineData("/abs//path/./x ", "abs/path/x")]
    [InlineData("x/  ", "x")]
    public void A_key_is_cleaned_as_a_path_that_cannot_be_left(string key, string clean) => Assert.Equal(clean, CacheKey.Clean(key));

    [Theory]
    [InlineData("main-protected", false)]
    [InlineData("main-protected. .", false)]
    [InlineData("main-non_protected", true)]
    [InlineData("main", true)]
    public void A_fallback_key_of_a_jobs_own_never_names_what_is_protected(string key, bool may) => Assert.Equal(may, CacheKey.MayFallBackTo(key));

    [Fact]
    public async Task What_one_scope_saves_no_other_scope_sees()
    {
        var scopes = (from project in new long[] { 1, 2 } from runner in new[] { "a", "b" } from isProtected in new[] { true, false } select Scope(project, runner, isProtected)).ToList();
        Assert.Equal(8, scopes.Distinct().Count());
        foreach (var scope in scopes) await SaveAsync(Store(), scope, "key", scope.ToString());
        foreach (var scope in scopes) Assert.Equal(scope.ToString(), await LoadAsync(Store(), scope, "key"));
    }

    [Fact]
    public async Task Variables_of_the_job_have_no_say_in_its_scope()
    {
        var plain = new JobResponse { JobInfo = new() { ProjectId = 7 }, GitInfo = new() { Protected = false } };
        var claims = plain with { Variables = [new("CI_PROJECT_ID", "8", true, false, false, false), new("CI_COMMIT_REF_PROTECTED", "true", true, false, false, false)] };
        Assert.Equal(CacheScope.Of(plain, Runner("a")), CacheScope.Of(claims, Runner("a")));
        Assert.False(CacheScope.Of(new(), Runner("a")).Protected);
        await Task.CompletedTask;
    }

    [Fact]
    public async Task A_writer_that_fails_leaves_the_old_cache_and_nothing_else()
    {
        var scope = Scope(1, "a", false);
        await SaveAsync(Store(), scope, "key", "old");
        await Assert.ThrowsAsync<InvalidOperationException>(() => Store().SaveAsync(scope, "key", static async stream =>
        {
            await stream.WriteAsync("half"u8.ToArray());
            throw new InvalidOperationException();
        }));
        Assert.Null(await Store().SaveAsync(scope, "key", static _ => Task.FromResult(false)));
        Assert.Equal("old", await LoadAsync(Store(), scope, "key"));
        Assert.Single(Directory.GetFiles(_root, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task Beyond_the_bound_the_least_recently_used_goes_first()
    {
        var scope = Scope(1, "a", false);
        var noise = new Random(1);
        foreach (var key in new[] { "one", "two", "three" })
        {
            await SaveAsync(Store(2_500), scope, key, noise.Next().ToString() + Noise(noise, 700));
            _time.Advance(TimeSpan.FromMinutes(1));
            foreach (var file in Directory.GetFiles(_root, "*", SearchOption.AllDirectories).Where(f => f.Contains(CacheKey.FileName(key)))) File.SetLastWriteTimeUtc(file, _time.GetUtcNow().UtcDateTime);
        }

        Assert.NotNull(await LoadAsync(Store(2_500), scope, "one"));
        _time.Advance(TimeSpan.FromMinutes(1));
        await SaveAsync(Store(2_500), scope, "four", Noise(noise, 700));
        Assert.NotNull(await LoadAsync(Store(2_500), scope, "one"));
        Assert.Null(await LoadAsync(Store(2_500), scope, "two"));
        Assert.NotNull(await LoadAsync(Store(2_500), scope, "four"));
        Assert.Null(await Store(100).SaveAsync(scope, "five", async stream =>
        {
            await stream.WriteAsync(System.Text.Encoding.UTF8.GetBytes(Noise(noise, 700)));
            return true;
        }));
    }

    private static string Noise(Random random, int length) => new([.. Enumerable.Range(0, length).Select(_ => (char)random.Next(' ', '~'))]);

    private static RunnerFacts Runner(string token) => new("r", token, "s_1", new("https://gitlab.example/"));

    private static CacheScope Scope(long project, string runner, bool isProtected) =>
        CacheScope.Of(new() { JobInfo = new() { ProjectId = project }, GitInfo = new() { Protected = isProtected } }, Runner(runner));

    private static Task SaveAsync(CacheStore store, CacheScope scope, string key, string content) => store.SaveAsync(scope, key, async stream =>
    {
        await stream.WriteAsync(System.Text.Encoding.UTF8.GetBytes(content));
        return true;
    });

    private static async Task<string?> LoadAsync(CacheStore store, CacheScope scope, string key)
    {
        await using var stream = store.Open(scope, key);
        return stream is null ? null : await new StreamReader(stream).ReadToEndAsync();
    }
}
