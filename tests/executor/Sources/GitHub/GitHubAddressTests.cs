using RunnerVm.Sources.GitHub;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitHub;

public sealed class GitHubAddressTests
{
    [Theory]
    [InlineData("https://github.com/acme/app", "https://api.github.com/", "repos/acme/app", "https://github.com/acme/app")]
    [InlineData("https://www.github.com/acme/app.git", "https://api.github.com/", "repos/acme/app", "https://github.com/acme/app")]
    [InlineData("https://github.com/acme/", "https://api.github.com/", "orgs/acme", "https://github.com/acme")]
    [InlineData("https://github.com/orgs/acme", "https://api.github.com/", "orgs/acme", "https://github.com/acme")]
    [InlineData("https://github.com/enterprises/big", "https://api.github.com/", "enterprises/big", "https://github.com/enterprises/big")]
    [InlineData("https://acme.ghe.com/team", "https://api.acme.ghe.com/", "orgs/team", "https://acme.ghe.com/team")]
    [InlineData("https://git.example.com:8443/a/b", "https://git.example.com:8443/api/v3/", "repos/a/b", "https://git.example.com:8443/a/b")]
    [InlineData("http://127.0.0.1:5000/a", "http://127.0.0.1:5000/api/v3/", "orgs/a", "http://127.0.0.1:5000/a")]
    public void An_address_says_where_the_API_is_and_whose_jobs_are_meant(string text, string api, string scope, string url)
    {
        var address = GitHubAddress.Parse(text);
        Assert.Equal((api, scope, url), (address.Api.AbsoluteUri, address.Scope.Path, address.Url.AbsoluteUri));
    }

    [Theory]
    [InlineData("acme/app", "is no web address")]
    [InlineData("ftp://github.com/acme", "is no web address")]
    [InlineData("http://github.com/acme", "in the clear")]
    [InlineData("https://token@github.com/acme", "holds a user name")]
    [InlineData("https://github.com/acme?tab=repositories", "query")]
    [InlineData("https://github.com/", "names no repository")]
    [InlineData("https://github.com/enterprises", "names no repository")]
    [InlineData("https://github.com/acme/app/actions", "names no repository")]
    [InlineData("https://github.com/acme/..%2f..", "names no repository")]
    public void A_wrong_address_is_refused_with_what_to_write(string text, string reason)
    {
        Assert.False(GitHubAddress.TryParse(text, out _, out var problem));
        Assert.Contains(reason, problem);
    }

    [Fact]
    public void A_refusal_never_repeats_the_password_of_an_address()
    {
        Assert.False(GitHubAddress.TryParse("https://x:ghp_secret@github.com/acme", out _, out var problem));
        Assert.DoesNotContain("ghp_secret", problem);
    }
}
