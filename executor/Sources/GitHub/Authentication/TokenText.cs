using System.Text;
using RunnerVm.Sources.Local;

namespace RunnerVm.Sources.GitHub.Authentication;

/// <summary>Reads a token as people leave it lying: with a newline behind it, or with the wrong thing in its place.</summary>
internal static class TokenText
{
    /// <summary>GitHub's own tokens have 40 to some 500 characters; the new ones promise no length.</summary>
    private const int MaximumBytes = 16 * 1024;

    private const string HowToGet = "Make one under Settings, Developer settings, Personal access tokens";

    public static string FromEnvironment(string variable) =>
        Check(Environment.GetEnvironmentVariable(variable) ?? "", $"The environment variable {variable}");

    public static string FromFile(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            return BoundedFile.Read(file, MaximumBytes) is { } bytes
                ? Check(Encoding.UTF8.GetString(bytes), $"The file {Quoted.Path(path)}")
                : throw new UserException(ExitCodes.BadFile, $"Cannot read a GitHub token from {Quoted.Path(path)}: it is larger than any token.");
        }
        catch (Exception e) when (BoundedFile.IsReadFailure(e))
        {
            throw new UserException(ExitCodes.BadFile, $"Cannot read a GitHub token from {Quoted.Path(path)}: {BoundedFile.Explain(e)}.");
        }
    }

    private static string Check(string text, string what)
    {
        var token = text.Trim();
        if (token.Length == 0) throw new UserException(ExitCodes.BadFile, $"{what} holds no GitHub token: it is empty or not set. {HowToGet}.");
        if (token.Contains("PRIVATE KEY-----"))
            throw new UserException(ExitCodes.BadFile, $"{what} holds a private key where a token belongs. Give it as the App's key, with the App's id.");
        // A header cannot hold them, and the error would otherwise come from deep below and show the token.
        if (!token.All(static c => c is > ' ' and <= '~')) throw new UserException(ExitCodes.BadFile, $"{what} holds no GitHub token: it has spaces or other characters no token has. {HowToGet}.");
        return token;
    }
}
