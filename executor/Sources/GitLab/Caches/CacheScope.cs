using System.Security.Cryptography;
using System.Text;
using RunnerVm.Sources.GitLab.Payload;

namespace RunnerVm.Sources.GitLab.Caches;

/// <summary>
/// Who shares a cache: the jobs of one project, through one runner of one instance, on branches of the same standing.
/// Made from the payload's fields, never from variables, so no job can name its way into another's: what an unprotected
/// branch wrote is never read by a protected one, whatever key it was written under.
/// </summary>
internal sealed record CacheScope(string Runner, long Project, bool Protected)
{
    public static CacheScope Of(JobResponse payload, RunnerFacts runner) => new(
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{runner.ServerUrl.AbsoluteUri.TrimEnd('/')}\n{runner.ShortToken}")))[..16],
        payload.JobInfo.ProjectId,
        // A server that does not say makes no difference between branches; then none of them is trusted.
        payload.GitInfo.Protected ?? false);

    /// <summary>Relative path of its folder.</summary>
    public string Folder => Path.Join(Runner, $"{Project}", Protected ? "protected" : "unprotected");
}
