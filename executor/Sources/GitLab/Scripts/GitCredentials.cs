using System.Text;
using RunnerVm.Sources.GitLab.Payload;
using RunnerVm.Sources.GitLab.Variables;

namespace RunnerVm.Sources.GitLab.Scripts;

/// <summary>
/// Where a job's repository is and how git may reach it. The address a work tree remembers has no token in it: git finds
/// that in a configuration file in memory which rewrites the server's addresses on their way out.
/// </summary>
internal sealed class GitCredentials
{
    private const string User = "gitlab-ci-token";

    /// <summary>In the guest this name is the host's own loopback, as far as the policy opens it.</summary>
    private const string HostAlias = "host.runnervm.internal";

    private readonly Uri _repository;
    private readonly string _token;
    private readonly bool _onLoopback;

    /// <param name="onLoopback">The server lies on this host's loopback, which in the guest is another one.</param>
    /// <exception cref="JobRefusedException">The payload names no repository.</exception>
    public GitCredentials(JobResponse payload, bool onLoopback)
    {
        _onLoopback = onLoopback;
        if (!Uri.TryCreate(payload.GitInfo.RepoUrl, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https"))
            throw new JobRefusedException("The job names no repository that can be reached by http or https.");
        (_repository, _token) = (url, payload.Token);
    }

    /// <summary>The repository without user and token.</summary>
    public string Url => $"{Origin(_repository.Host)}{_repository.AbsolutePath.TrimStart('/')}";

    /// <summary>The configuration file.</summary>
    public byte[] ToFile(JobVariables variables, bool forceHttps)
    {
        var text = new StringBuilder("[transfer]\n\tbundleURI = true\n");
        var target = Quoted($"{_repository.Scheme}://{User}:{Uri.EscapeDataString(_token)}@{Authority(_onLoopback ? HostAlias : _repository.Host)}/");
        text.Append($"[url {target}]\n\tinsteadOf = {Quoted(Origin(_repository.Host))}\n");
        if (forceHttps)
        {
            var host = variables.Text("CI_SERVER_SHELL_SSH_HOST", _repository.Host);
            var port = variables.Number("CI_SERVER_SHELL_SSH_PORT", 22, 1, 65535);
            if (port == 22) text.Append($"\tinsteadOf = {Quoted($"git@{host}:")}\n\tinsteadOf = {Quoted($"ssh://git@{host}/")}\n");
            else text.Append($"\tinsteadOf = {Quoted($"ssh://git@{host}:{port}/")}\n");
        }

        if (_repository.Scheme == "https" && variables.Find(RunnerVariables.CaFile) is { Length: > 0 } certificates)
            text.Append($"[http {Quoted(Origin(_onLoopback ? HostAlias : _repository.Host))}]\n\tsslCAInfo = {Quoted(certificates)}\n");
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    private string Origin(string host) => $"{_repository.Scheme}://{Authority(host)}/";

    private string Authority(string host) => _repository.IsDefaultPort ? host : $"{host}:{_repository.Port}";

    /// <summary>A text in git's configuration.</summary>
    private static string Quoted(string text) =>
        $"\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal)}\"";
}
