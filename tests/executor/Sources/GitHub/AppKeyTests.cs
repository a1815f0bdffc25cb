using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using RunnerVm.Sources.GitHub.Authentication;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.GitHub;

public sealed class AppKeyTests : IDisposable
{
    private static readonly RSA Rsa = RSA.Create(2048);

    private readonly string _folder = Directory.CreateTempSubdirectory("rv").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Both_forms_of_a_key_sign_a_token_GitHub_accepts()
    {
        var now = new DateTimeOffset(2026, 11, 25, 10, 0, 0, TimeSpan.Zero);
        foreach (var pem in (string[])[Rsa.ExportRSAPrivateKeyPem(), Rsa.ExportPkcs8PrivateKeyPem()])
        {
            using var key = AppKey.FromFile(Write(pem));
            var parts = key.Sign("Iv23abc", now).Split('.');
            Assert.True(Rsa.VerifyData(Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), Base64Url.DecodeFromChars(parts[2]), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));
            using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(parts[1]));
            Assert.Equal("Iv23abc", claims.RootElement.GetProperty("iss").GetString());
            var issued = claims.RootElement.GetProperty("iat").GetInt64();
            Assert.Equal(now.ToUnixTimeSeconds() - 60, issued);
            Assert.InRange(claims.RootElement.GetProperty("exp").GetInt64() - issued, 60, 600);
            Assert.Equal(["iat", "exp", "iss"], claims.RootElement.EnumerateObject().Select(static p => p.Name));
        }
    }

    [Fact]
    public void A_key_that_does_not_parse_is_one_sentence_that_says_what_it_is()
    {
        using var ec = ECDsa.Create();
        using var small = RSA.Create(1024);
        var pem = Rsa.ExportRSAPrivateKeyPem();
        (string Text, string Reason)[] cases =
        [
            ("", "it is empty"),
            ("hello", "it has no line -----BEGIN RSA PRIVATE KEY-----"),
            (Rsa.ExportSubjectPublicKeyInfoPem(), "it is a public key"),
            (ec.ExportECPrivateKeyPem(), "it is an elliptic curve key"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "it is a key for SSH"),
            (Rsa.ExportEncryptedPkcs8PrivateKeyPem("x", new(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1)), "it is protected by a password"),
            (pem[..(pem.Length / 2)], "it is damaged"),
            (pem.Replace("MII", "MIJ", StringComparison.Ordinal), "it is damaged"),
            (small.ExportRSAPrivateKeyPem(), "the key has only 1024 bits"),
            (new string('a', 100_000), "it is larger than any key"),
        ];
        foreach (var (text, reason) in cases)
        {
            var path = Write(text);
            var refusal = Assert.Throws<UserException>(() => AppKey.FromFile(path));
            Assert.Contains($"Cannot use \"{path}\" as the GitHub App's private key: {reason}", refusal.Message);
            Assert.DoesNotContain('\n', refusal.Message);
        }
    }

    [Fact]
    public void A_key_file_that_is_not_there_is_named()
    {
        var refusal = Assert.Throws<UserException>(() => AppKey.FromFile(Path.Join(_folder, "none.pem")));
        Assert.Contains("there is no such file", refusal.Message);
    }

    [Theory]
    [InlineData("", "it is empty or not set")]
    [InlineData("two words", "it has spaces")]
    [InlineData("-----BEGIN RSA PRIVATE KEY-----", "holds a private key where a token belongs")]
    public void A_file_without_a_token_is_one_sentence(string text, string reason)
    {
        var refusal = Assert.Throws<UserException>(() => GitHubCredential.FromFile(Write(text)));
        Assert.Contains(reason, refusal.Message);
    }

    [Fact]
    public void A_token_is_read_without_the_newline_behind_it_and_never_printed()
    {
        var token = GitHubCredential.FromFile(Write("github_pat_abc\n"));
        Assert.Equal("github_pat_abc", token.Read());
        Assert.DoesNotContain("github_pat_abc", token.ToString());
    }

    private string Write(string text)
    {
        var path = Path.Join(_folder, $"{Guid.NewGuid():n}.pem");
        File.WriteAllText(path, text);
        return path;
    }
}
