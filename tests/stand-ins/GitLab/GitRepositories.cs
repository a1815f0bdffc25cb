using System.Diagnostics;
using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace RunnerVm.Tests.StandIns.GitLab;

/// <summary>Real repositories, handed out by git's own http-backend; who may have them is for the caller to say.</summary>
public sealed class GitRepositories : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("runnervm-git-").FullName;

    /// <summary>Makes a repository of files, or one more commit in it, and returns the commit.</summary>
    public string Add(string project, params (string Name, string Content)[] files)
    {
        var (work, bare) = (Path.Join(_root, $"{project}.work"), Path.Join(_root, $"{project}.git"));
        foreach (var (name, content) in files)
        {
            var path = Path.Join(work, name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, content);
        }

        var isNew = !Directory.Exists(bare);
        if (isNew) Git(work, "init", "-q", "-b", "main");
        Commit(work, "files");
        if (isNew) Git(work, "clone", "-q", "--bare", work, bare);
        else Git(work, "push", "-q", bare, "main");
        return Git(work, "rev-parse", "HEAD");
    }

    /// <summary>Puts one repository into another one as a submodule, under an address of the caller's.</summary>
    public string AddSubmodule(string project, string path, string url, string submodule)
    {
        var work = Path.Join(_root, $"{project}.work");
        Git(work, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", Path.Join(_root, $"{submodule}.git"), path);
        Git(work, "config", "-f", ".gitmodules", $"submodule.{path}.url", url);
        Commit(work, "submodule");
        Git(work, "push", "-q", Path.Join(_root, $"{project}.git"), "main");
        return Git(work, "rev-parse", "HEAD");
    }

    /// <summary>CGI (RFC 3875) as far as git's backend needs it.</summary>
    public async Task AnswerAsync(HttpContext context)
    {
        var request = context.Request;
        using var backend = Process.Start(new ProcessStartInfo("git", ["http-backend"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            Environment =
            {
                ["GIT_PROJECT_ROOT"] = _root,
                ["GIT_HTTP_EXPORT_ALL"] = "1",
                ["GIT_CONFIG_COUNT"] = "1",
                ["GIT_CONFIG_KEY_0"] = "safe.directory",
                ["GIT_CONFIG_VALUE_0"] = "*",
                ["PATH_INFO"] = request.Path.Value,
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
        using var answer = new MemoryStream();
        await backend.StandardOutput.BaseStream.CopyToAsync(answer);
        var bytes = answer.ToArray();
        var head = bytes.AsSpan().IndexOf("\r\n\r\n"u8);
        foreach (var line in Encoding.ASCII.GetString(bytes, 0, head).Split("\r\n"))
        {
            var (name, value) = (line[..line.IndexOf(':', StringComparison.Ordinal)], line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim());
            if (name == "Status") context.Response.StatusCode = int.Parse(value.Split(' ')[0], CultureInfo.InvariantCulture);
            else if (name == "Content-Type") context.Response.ContentType = value;
            else context.Response.Headers[name] = value;
        }

        await context.Response.Body.WriteAsync(bytes.AsMemory(head + 4));
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private static void Commit(string work, string message)
    {
        Git(work, "add", "-A");
        Git(work, "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", message);
    }

    private static string Git(string folder, params string[] arguments)
    {
        using var git = Process.Start(new ProcessStartInfo("git", ["-C", folder, .. arguments]) { RedirectStandardOutput = true })!;
        var output = git.StandardOutput.ReadToEnd();
        git.WaitForExit();
        return git.ExitCode == 0 ? output.Trim() : throw new InvalidOperationException($"git {string.Join(' ', arguments)} failed");
    }
}
