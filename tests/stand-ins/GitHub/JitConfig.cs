using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace RunnerVm.Tests.StandIns.GitHub;

/// <summary>The files of a runner that needs no configuring, as the official one wants them.</summary>
internal static class JitConfig
{
    /// <summary>One for all: making one takes the time of a test.</summary>
    public static RSA Key { get; } = RSA.Create(2048);

    public static string Encode(StandInRunner runner, Uri url)
    {
        var parameters = Key.ExportParameters(includePrivateParameters: true);
        return Base64(new()
        {
            [".runner"] = Base64(new()
            {
                ["AgentId"] = runner.Id.ToString(), ["AgentName"] = runner.Name, ["PoolId"] = "1", ["PoolName"] = "Default", ["DisableUpdate"] = "true",
                ["Ephemeral"] = "true", ["WorkFolder"] = "_work", ["UseV2Flow"] = "true", ["ServerUrlV2"] = new Uri(url, "/broker/").AbsoluteUri,
            }),
            [".credentials"] = Base64(new()
            {
                ["Scheme"] = "OAuth",
                ["Data"] = new JsonObject
                {
                    ["ClientId"] = runner.ClientId.ToString(), ["AuthorizationUrl"] = new Uri(url, "/oauth/token").AbsoluteUri, ["requireFipsCryptography"] = "true",
                },
            }),
            [".credentials_rsaparams"] = Base64(new()
            {
                ["d"] = Text(parameters.D), ["dp"] = Text(parameters.DP), ["dq"] = Text(parameters.DQ), ["exponent"] = Text(parameters.Exponent),
                ["inverseQ"] = Text(parameters.InverseQ), ["modulus"] = Text(parameters.Modulus), ["p"] = Text(parameters.P), ["q"] = Text(parameters.Q),
            }),
        });
    }

    private static string Base64(JsonObject json) => Convert.ToBase64String(Encoding.UTF8.GetBytes(json.ToJsonString()));

    private static string Text(byte[]? number) => Convert.ToBase64String(number!);
}
