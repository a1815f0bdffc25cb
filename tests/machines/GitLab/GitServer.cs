using System.Diagnostics;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace RunnerVm.Tests.Machines.GitLab;

/// <summary>
/// Repositories over HTTP on loopback, by git's own http-backend, for who brings the job token; and beside them what a job
/// may upload and download, kept in memory. The files of GitLab's API, not its queue.
/// </summary>
internal sealed class GitServer : IDisposable
{
    private readonly WebApplication _web;
    private readonly TestFolder _repositories = new();
    private readonly List<string> _requests = [];
    private readonly string _token;

    public GitServer(string token)
    {
        _token = token;
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(static kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0);
            kestrel.Limits.MaxRequestBodySize = null;
        });
        _web = builder.Build();
        _web.Run(AnswerAsync);
        _web.StartAsync().GetAwaiter().GetResult();
        Port = new Uri(_web.Urls.Single()).Port;
    }

    public int Port { get; }

    /// <summary>Uploaded files by job, type and name, with the format they were sent as.</summary>
    public Dictionary<(long Job, string Type, string Name), (string Format, byte[] Content)> Uploads { get; } = [];

    public IReadOnlyList<string> Requests
    {
        get
        {
            lock (_requests) return [.. _requests];
        }
    }

    public string UrlWithToken(string project) => $"http://gitlab-ci-token:{_token}@127.0.0.1:{Port}/{project}.git";

    /// <summary>Makes a repository of files and returns its commit.</summary>
    public string AddRepository(string project, params (string Name, string Content)[] files)
    {
        var work = _repositories.File($"{project}.work");
        foreach (var (name, content) in files)
        {
            var path = Path.Join(work, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, content);
        }

        Git(work, "init", "-q", "-b", "main");
        Git(work, "add", "-A");
        Git(work, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "first");
        Git(work, "clone", "-q", "--bare", work, _repositories.File($"{project}.git"));
        return Git(work, "rev-parse", "HEAD");
    }

    public void Dispose()
    {
        _web.StopAsync().GetAwaiter().GetResult();
        ((IDisposable)_web).Dispose();
        _repositories.Dispose();
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var path = context.Request.Path.Value!;
        lock (_requests) _requests.Add($"{context.Request.Method} {path}");
        if (path.StartsWith("/api/v4/jobs/", StringComparison.Ordinal)) await ArtifactsAsync(context, long.Parse(path.Split('/')[4]));
        else if (IsAuthorized(context.Request)) await BackendAsync(context, path);
        else
        {
            context.Response.StatusCode = 401;
            context.Response.Headers.WWWAuthenticate = "Basic realm=\"GitLab\"";
        }
    }

    private bool IsAuthorized(HttpRequest request) =>
        request.Headers.Authorization == $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($"gitlab-ci-token:{_token}"))}";

    private async Task ArtifactsAsync(HttpContext context, long job)
    {
        if (context.Request.Headers["JOB-TOKEN"] != _token)
        {
            context.Response.StatusCode = 403;
            return;
        }

        if (context.Request.Method == "GET")
        {
            var content = Uploads.Single(u => u.Key.Job == job && u.Key.Type == "archive").Value.Content;
            await context.Response.Body.WriteAsync(content);
            return;
        }

        var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        var query = context.Request.Query;
        var (name, file) = Part(body.ToArray());
        Uploads[(job, query["artifact_type"].FirstOrDefault() ?? "archive", name)] = (query["artifact_format"].FirstOrDefault() ?? "zip", file);
        context.Response.StatusCode = 201;
    }

    /// <summary>The only part of a multipart body.</summary>
    private static (string Name, byte[] Content) Part(byte[] body)
    {
        var head = body.AsSpan().IndexOf("\r\n\r\n"u8);
        var headers = Encoding.UTF8.GetString(body, 0, head);
        var boundary = headers[..headers.IndexOf('\r')];
        var end = body.AsSpan().LastIndexOf(Encoding.UTF8.GetBytes($"\r\n{boundary}"));
        var name = headers[(headers.IndexOf("filename=", StringComparison.Ordinal) + 9)..].Split('\r', ';')[0].Trim('"');
        return (name, body[(head + 4)..end]);
    }

    /// <summary>CGI (RFC 3875) as far as git's backend needs it.</summary>
    private async Task BackendAsync(HttpContext context, string path)
    {
        var request = context.Request;
        using var backend = Process.Start(new ProcessStartInfo("git", ["http-backend"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            Environment =
            {
                ["GIT_PROJECT_ROOT"] = _repositories.Path,
                ["GIT_HTTP_EXPORT_ALL"] = "1",
                ["GIT_CONFIG_COUNT"] = "1",
                ["GIT_CONFIG_KEY_0"] = "safe.directory",
                ["GIT_CONFIG_VALUE_0"] = "*",
                ["PATH_INFO"] = path,
                ["QUERY_STRING"] = (request.QueryString.Value ?? "").TrimStart('?'),
                ["REQUEST_METHOD"] = request.Method,
                ["CONTENT_TYPE"] = request.ContentType ?? "",
                ["HTTP_CONTENT_ENCODING"] = request.Headers.ContentEncoding.ToString(),
                ["GIT_PROTOCOL"] = request.Headers["Git-Protocol"].ToString(),
                ["REMOTE_USER"] = "job",
            },
        })!;
        await request.Body.CopyToAsync(backend.StandardInput.BaseStream);
        backend.StandardInput.Close();
        var answer = new MemoryStream();
        await backend.StandardOutput.BaseStream.CopyToAsync(answer);
        var bytes = answer.ToArray();
        var head = bytes.AsSpan().IndexOf("\r\n\r\n"u8);
        foreach (var line in Encoding.ASCII.GetString(bytes, 0, head).Split("\r\n"))
        {
            var (name, value) = (line[..line.IndexOf(':')], line[(line.IndexOf(':') + 1)..].Trim());
            if (name == "Status") context.Response.StatusCode = int.Parse(value.Split(' ')[0]);
            else if (name == "Content-Type") context.Response.ContentType = value;
            else context.Response.Headers[name] = value;
        }

        await context.Response.Body.WriteAsync(bytes.AsMemory(head + 4));
    }

    private static string Git(string folder, params string[] arguments)
    {
        using var git = Process.Start(new ProcessStartInfo("git", ["-C", folder, .. arguments]) { RedirectStandardOutput = true })!;
        var output = git.StandardOutput.ReadToEnd();
        git.WaitForExit();
        return git.ExitCode == 0 ? output.Trim() : throw new InvalidOperationException($"git {string.Join(' ', arguments)} failed");
    }
}
