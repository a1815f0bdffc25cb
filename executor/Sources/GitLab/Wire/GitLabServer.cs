namespace RunnerVm.Sources.GitLab.Wire;

/// <summary>One GitLab instance.</summary>
/// <param name="Url">As people write it; a trailing slash or an old <c>/ci</c> is no part of it.</param>
/// <param name="CaFile">PEM certificates that are trusted besides the system's, or null.</param>
internal sealed record GitLabServer(Uri Url, string? CaFile = null)
{
    /// <summary>Where all calls start, with a slash at the end.</summary>
    public Uri Api { get; } = ApiOf(Url);

    private static Uri ApiOf(Uri url)
    {
        var text = url.AbsoluteUri.TrimEnd('/');
        if (text.EndsWith("/ci", StringComparison.Ordinal)) text = text[..^3].TrimEnd('/');
        return new($"{text}/api/v4/");
    }
}
