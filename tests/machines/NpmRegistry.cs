using System.Formats.Tar;
using System.IO.Compression;
using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace RunnerVm.Tests.Machines;

/// <summary>
/// An npm registry on loopback with one package, as much of the protocol as <c>npm install</c> asks for: the package's
/// metadata at /NAME and its tarball, bound to it by SHA-512.
/// </summary>
internal sealed class NpmRegistry : IAsyncDisposable
{
    private readonly HttpServer _server;
    private readonly List<string> _requests = [];
    private readonly string _name;
    private readonly string _version;
    private readonly byte[] _tarball;

    public NpmRegistry(string name, string version, string indexScript)
    {
        (_name, _version) = (name, version);
        _tarball = Pack(name, version, indexScript);
        _server = new(new(IPAddress.Loopback, 0), AnswerAsync);
    }

    public int Port => _server.Port;

    /// <summary>Paths that were asked for, in order.</summary>
    public IReadOnlyList<string> Requests
    {
        get
        {
            lock (_requests) return [.. _requests];
        }
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    /// <summary>As "npm pack" makes them: everything in a folder "package".</summary>
    private static byte[] Pack(string name, string version, string indexScript)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        using (var tar = new TarWriter(gzip, TarEntryFormat.Ustar))
        {
            Add(tar, "package/package.json", $$"""{"name": "{{name}}", "version": "{{version}}", "main": "index.js"}""");
            Add(tar, "package/index.js", indexScript);
        }

        return packed.ToArray();
    }

    private static void Add(TarWriter tar, string path, string text) =>
        tar.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, path) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(text)) });

    private Task AnswerAsync(HttpQuestion question, Stream to)
    {
        lock (_requests) _requests.Add(question.Path);
        var tarballPath = $"/{_name}/-/{_name}-{_version}.tgz";
        if (question.Path == tarballPath) return HttpServer.WriteAsync(to, 200, "application/octet-stream", _tarball);
        return question.Path == $"/{_name}"
            ? HttpServer.WriteAsync(to, 200, "application/json", Encoding.UTF8.GetBytes(Metadata($"http://{question.Host}{tarballPath}")))
            : HttpServer.WriteAsync(to, 404, "application/json", "{}"u8.ToArray());
    }

    private string Metadata(string tarball) => $$"""
        {
          "name": "{{_name}}",
          "dist-tags": {"latest": "{{_version}}"},
          "versions": {
            "{{_version}}": {
              "name": "{{_name}}", "version": "{{_version}}", "main": "index.js",
              "dist": {
                "tarball": "{{tarball}}",
                "integrity": "sha512-{{Convert.ToBase64String(SHA512.HashData(_tarball))}}"
              }
            }
          }
        }
        """;
}
