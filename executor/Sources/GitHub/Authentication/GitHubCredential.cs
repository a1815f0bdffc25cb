namespace RunnerVm.Sources.GitHub.Authentication;

/// <summary>How we say to GitHub who we are. Neither case ever prints its secret.</summary>
internal abstract record GitHubCredential
{
    private GitHubCredential()
    {
    }

    /// <summary>A GitHub App: the better choice, its tokens live an hour and are bound to what it was installed for.</summary>
    /// <param name="Issuer">Client id or number of the App.</param>
    /// <param name="InstallationId">Null: found by the scope.</param>
    internal sealed record App(string Issuer, AppKey Key, long? InstallationId) : GitHubCredential
    {
        public override string ToString() => $"App {Issuer}";
    }

    /// <summary>A person's token, fine-grained or classic, or one that somebody else renews.</summary>
    /// <param name="Read">Asked again after GitHub refused the last one, so that a file may be replaced under way.</param>
    /// <param name="Where">For sentences: "the file /etc/runnervm/token".</param>
    internal sealed record Token(Func<string> Read, string Where) : GitHubCredential
    {
        public override string ToString() => $"Token from {Where}";
    }

    /// <exception cref="UserException">Not set or empty, now or when it is read again.</exception>
    public static Token FromEnvironment(string variable)
    {
        var token = new Token(() => TokenText.FromEnvironment(variable), $"the environment variable {variable}");
        _ = token.Read();
        return token;
    }

    /// <exception cref="UserException">Cannot be read or holds no token, now or when it is read again.</exception>
    public static Token FromFile(string path)
    {
        var token = new Token(() => TokenText.FromFile(path), $"the file {path}");
        _ = token.Read();
        return token;
    }
}
