using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using RunnerVm.Tests.StandIns.GitLab;

namespace RunnerVm.Tests.Machines.GitLab;

/// <summary>
/// Repositories over HTTP on loopback, by git's own http-backend, for who brings the job token; and beside them what a job
/// may upload and download, kept in memory. The files of GitLab's API, not its queue.
/// </summary>
internal sealed class GitServer : IDisposable
{
    private readonly WebApplication _web;
    private readonly GitRepositories _repositories = new();
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
    public string AddRepository(string project, params (string Name, string Content)[] files) => _repositories.Add(project, files);

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
        else if (IsAuthorized(context.Request)) await _repositories.AnswerAsync(context);
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
}
