namespace RunnerVm.Sources.GitHub;

/// <summary>Whose jobs are served: one repository's, all of an organization's, or all of an enterprise's.</summary>
internal abstract record GitHubScope
{
    private GitHubScope()
    {
    }

    /// <summary>Below the API's base, without slashes at the ends: <c>repos/acme/app</c>.</summary>
    public abstract string Path { get; }

    /// <summary>As people call it: "repository acme/app".</summary>
    public abstract string Title { get; }

    /// <summary>Below the web address, as registration wants it: <c>acme/app</c>.</summary>
    public abstract string WebPath { get; }

    internal sealed record Repository(string Owner, string Name) : GitHubScope
    {
        public override string Path => $"repos/{Owner}/{Name}";

        public override string Title => $"repository {Owner}/{Name}";

        public override string WebPath => $"{Owner}/{Name}";
    }

    internal sealed record Organization(string Login) : GitHubScope
    {
        public override string Path => $"orgs/{Login}";

        public override string Title => $"organization {Login}";

        public override string WebPath => Login;
    }

    internal sealed record Enterprise(string Slug) : GitHubScope
    {
        public override string Path => $"enterprises/{Slug}";

        public override string Title => $"enterprise {Slug}";

        public override string WebPath => $"enterprises/{Slug}";
    }
}
