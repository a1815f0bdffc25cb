using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;
using RunnerVm.Sources.Local;

namespace RunnerVm.Sources.GitHub;

/// <summary>
/// What the address of a repository, organization or enterprise says: where its pages are, where its API answers, and
/// whose jobs are meant. Three kinds of place are known by their host: github.com, a company's <c>*.ghe.com</c>, and
/// any other host, which is a GitHub Enterprise Server.
/// </summary>
internal sealed partial record GitHubAddress
{
    private const string Example = "https://github.com/OWNER/REPOSITORY, https://github.com/ORGANIZATION or https://github.com/enterprises/ENTERPRISE";

    private GitHubAddress(Uri api, Uri url, GitHubScope scope) => (Api, Url, Scope) = (api, url, scope);

    /// <summary>Base of the REST API, with a slash at the end.</summary>
    public Uri Api { get; }

    /// <summary>The address itself, tidied: what a registration names.</summary>
    public Uri Url { get; }

    public GitHubScope Scope { get; }

    /// <summary>Host and, where it is not the scheme's own, port: for sentences.</summary>
    public string Host => Url.Authority;

    /// <param name="problem">A sentence without the place it was found at.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out GitHubAddress? address, [NotNullWhen(false)] out string? problem)
    {
        address = null;
        problem = null;
        if (!Uri.TryCreate(text.Trim(), UriKind.Absolute, out var uri) || uri.Scheme is not ("https" or "http"))
            problem = $"{Quoted.Text(text)} is no web address; write {Example}";
        else if (uri is { Scheme: "http", IsLoopback: false })
            problem = $"{Quoted.Text(text)} would send its token in the clear; write https://";
        else if (uri.UserInfo.Length > 0)
            problem = "the address holds a user name or password; give the token by file or environment instead";
        else if (uri.Query.Length > 0 || uri.Fragment.Length > 0)
            problem = $"{Quoted.Text(text)} has a query or fragment; write {Example}";
        else if (ScopeOf(uri) is not { } scope)
            problem = $"{Quoted.Text(text)} names no repository, organization or enterprise; write {Example}";
        else
            address = new(ApiBase(uri), new(Web(uri), scope.WebPath), scope);
        return address is not null;
    }

    /// <exception cref="FormatException">It is no such address; the message says how to write one.</exception>
    public static GitHubAddress Parse(string text) => TryParse(text, out var address, out var problem) ? address : throw new FormatException(problem);

    private static Uri Web(Uri uri) => new($"{uri.Scheme}://{Authority(uri)}/");

    private static string Authority(Uri uri) => uri.Host == "www.github.com" ? "github.com" : uri.Authority;

    private static Uri ApiBase(Uri uri)
    {
        var authority = Authority(uri);
        var has = authority == "github.com" || uri.Host.EndsWith(".ghe.com", StringComparison.Ordinal);
        return new(has ? $"{uri.Scheme}://api.{authority}/" : $"{uri.Scheme}://{authority}/api/v3/");
    }

    private static GitHubScope? ScopeOf(Uri uri)
    {
        var parts = uri.AbsolutePath.Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (!parts.All(static p => Name().IsMatch(p) && p is not ("." or ".."))) return null;
        return parts switch
        {
            ["enterprises", var slug] => new GitHubScope.Enterprise(slug),
            ["enterprises"] => null,
            ["orgs" or "organizations", var login] => new GitHubScope.Organization(login),
            [var login] => new GitHubScope.Organization(login),
            [var owner, var name] => RepositoryOf(owner, name),
            _ => null,
        };
    }

    /// <summary>People paste what they clone.</summary>
    private static GitHubScope.Repository? RepositoryOf(string owner, string name)
    {
        if (name.EndsWith(".git", StringComparison.OrdinalIgnoreCase)) name = name[..^4];
        return name.Length > 0 ? new(owner, name) : null;
    }

    [GeneratedRegex("^[A-Za-z0-9._-]{1,100}$")]
    private static partial Regex Name();
}
