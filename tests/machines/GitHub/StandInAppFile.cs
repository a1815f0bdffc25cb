using System.Security.Cryptography;
using RunnerVm.Tests.StandIns.GitHub;

namespace RunnerVm.Tests.Machines.GitHub;

/// <summary>An App installed on acme, with its key in a file.</summary>
internal sealed class StandInAppFile : IDisposable
{
    private readonly TestFolder _folder = new();

    public StandInAppFile(GitHubWorld world)
    {
        using var key = RSA.Create(2048);
        _folder.Write("app.pem", key.ExportRSAPrivateKeyPem());
        world.Tokens.Install(new("Iv23liStandIn", 123, key.ExportSubjectPublicKeyInfoPem(), new Dictionary<string, long> { ["orgs/acme"] = 44, ["repos/acme/app"] = 44 }));
    }

    public string Yaml => $"{{id: Iv23liStandIn, key: {{file: {_folder.File("app.pem")}}}}}";

    public void Dispose() => _folder.Dispose();
}
