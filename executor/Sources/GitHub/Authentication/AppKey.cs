using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using RunnerVm.Sources.Local;

namespace RunnerVm.Sources.GitHub.Authentication;

/// <summary>
/// A GitHub App's private key, and the short-lived tokens it signs. GitHub hands the key out as PKCS#1 ("BEGIN RSA
/// PRIVATE KEY"); tools convert it to PKCS#8 ("BEGIN PRIVATE KEY"); both are read.
/// </summary>
internal sealed class AppKey : IDisposable
{
    /// <summary>A 4096-bit key is 3.3 KB.</summary>
    private const int MaximumBytes = 64 * 1024;

    private const string HowToGet = "Generate one on the App's page under \"Private keys\" and give its .pem file as it was downloaded";

    /// <summary>GitHub refuses more than ten minutes; both ends leave room for a clock that is a little off.</summary>
    private static readonly TimeSpan Backdated = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(9);

    private readonly RSA _rsa;

    private AppKey(RSA rsa) => _rsa = rsa;

    /// <exception cref="UserException">The file cannot be read or holds no usable key; one sentence.</exception>
    public static AppKey FromFile(string path)
    {
        byte[]? bytes;
        try
        {
            using var file = File.OpenRead(path);
            bytes = BoundedFile.Read(file, MaximumBytes);
        }
        catch (Exception e) when (BoundedFile.IsReadFailure(e))
        {
            throw Unusable(path, BoundedFile.Explain(e));
        }

        return Parse(bytes is null ? throw Unusable(path, "it is larger than any key") : Encoding.UTF8.GetString(bytes), path);
    }

    /// <param name="text">PEM.</param>
    /// <param name="where">For the sentence of an error.</param>
    /// <exception cref="UserException">It holds no usable key; one sentence that never repeats the text.</exception>
    public static AppKey Parse(string text, string where)
    {
        if (Misplaced(text) is { } reason) throw Unusable(where, reason);
        var rsa = RSA.Create();
        try
        {
            rsa.ImportFromPem(text);
            if (rsa.KeySize < 2048) throw Unusable(where, $"the key has only {rsa.KeySize} bits");
            return new(rsa);
        }
        catch (Exception e)
        {
            rsa.Dispose();
            if (e is not (ArgumentException or CryptographicException)) throw;
            throw Unusable(where, "it is damaged: cut off, or changed on the way");
        }
    }

    /// <summary>A JSON web token that says "I am this App" for the next nine minutes.</summary>
    /// <param name="issuer">The App's client id (<c>Iv…</c>) or its number.</param>
    public string Sign(string issuer, DateTimeOffset now)
    {
        var issued = now - Backdated;
        var head = Base64Url.EncodeToString("""{"alg":"RS256","typ":"JWT"}"""u8);
        var signed = $"{head}.{Base64Url.EncodeToString(Claims(issuer, issued.ToUnixTimeSeconds(), (issued + Lifetime).ToUnixTimeSeconds()))}";
        return $"{signed}.{Base64Url.EncodeToString(_rsa.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))}";
    }

    public void Dispose() => _rsa.Dispose();

    private static byte[] Claims(string issuer, long issued, long expires)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteNumber("iat", issued);
            json.WriteNumber("exp", expires);
            json.WriteString("iss", issuer);
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }

    /// <summary>The other files people have at hand, each known by its first line.</summary>
    private static string? Misplaced(string text)
    {
        if (text.Contains("-----BEGIN RSA PRIVATE KEY-----") && text.Contains("ENCRYPTED")) return "it is protected by a password; openssl rsa -in KEY -out KEY takes it off";
        if (text.Contains("-----BEGIN RSA PRIVATE KEY-----") || text.Contains("-----BEGIN PRIVATE KEY-----")) return null;
        if (text.Contains("-----BEGIN ENCRYPTED PRIVATE KEY-----")) return "it is protected by a password; openssl rsa -in KEY -out KEY takes it off";
        if (text.Contains("-----BEGIN OPENSSH PRIVATE KEY-----")) return "it is a key for SSH";
        if (text.Contains("-----BEGIN EC PRIVATE KEY-----")) return "it is an elliptic curve key, and GitHub Apps have RSA keys";
        if (text.Contains("PUBLIC KEY-----")) return "it is a public key";
        if (text.Contains("-----BEGIN CERTIFICATE-----")) return "it is a certificate";
        return string.IsNullOrWhiteSpace(text) ? "it is empty" : "it has no line -----BEGIN RSA PRIVATE KEY-----";
    }

    private static UserException Unusable(string where, string reason) =>
        new(ExitCodes.BadFile, $"Cannot use {Quoted.Path(where)} as the GitHub App's private key: {reason}. {HowToGet}.");
}
