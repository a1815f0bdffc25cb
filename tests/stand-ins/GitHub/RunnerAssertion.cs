using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>The token by which the official runner says who it is: signed with the key of its configuration, good for minutes, for this GitHub.</summary>
internal static class RunnerAssertion
{
    /// <returns>The runner's client id; null, after a violation, where GitHub would not believe it.</returns>
    public static string? Subject(string assertion, GitHubWorld world)
    {
        if (assertion.Split('.') is not [var header, var claims, var signature]) return Refuse(world, "is no JSON web token");
        using var head = JsonDocument.Parse(Base64Url.DecodeFromChars(header));
        if (head.RootElement.GetProperty("alg").GetString() != "PS256") return Refuse(world, "is not signed as its configuration asks for (PS256)");
        if (!JitConfig.Key.VerifyData(Encoding.ASCII.GetBytes($"{header}.{claims}"), Base64Url.DecodeFromChars(signature), HashAlgorithmName.SHA256, RSASignaturePadding.Pss))
            return Refuse(world, "is signed by another key");
        using var body = JsonDocument.Parse(Base64Url.DecodeFromChars(claims));
        var (subject, audience, expires) = (Text("sub"), Text("aud"), body.RootElement.GetProperty("exp").GetInt64());
        if (subject != Text("iss")) return Refuse(world, "has another issuer than subject");
        if (audience != new Uri(world.RunnerUrl, "/oauth/token").AbsoluteUri) return Refuse(world, $"is for {audience}");
        return expires > world.Time.GetUtcNow().ToUnixTimeSeconds() ? subject : Refuse(world, "is over");

        string? Text(string claim) => body.RootElement.GetProperty(claim).GetString();
    }

    private static string? Refuse(GitHubWorld world, string why)
    {
        world.Requests.Violate($"a runner's assertion {why}");
        return null;
    }
}
