using System.Security.Cryptography;
using System.Text;
using RunnerVm.Sources.GitLab.Payload;
using RunnerVm.Store;

namespace RunnerVm.Sources.GitLab.Custom;

/// <summary>Where a job's machine is found by the calls that follow each other, from the job response alone.</summary>
internal static class CustomJob
{
    private const string SocketName = "keeper";

    /// <summary>The folder of its run: the id tells people which job it is, the token makes it one that nobody can guess.</summary>
    public static string RunFolder(JobResponse payload) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{payload.Id}\n{payload.Token}")))[..16];

    public static string Socket(DataDirectory data, JobResponse payload) => Path.Join(data.Runs, RunFolder(payload), SocketName);

    public static string Socket(string runFolder) => Path.Join(runFolder, SocketName);

    /// <summary>The instance, from the repository's address without the project's path.</summary>
    /// <exception cref="JobRefusedException">The job names no repository.</exception>
    public static Uri Server(JobResponse payload)
    {
        if (!Uri.TryCreate(payload.GitInfo.RepoUrl, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https"))
            throw new JobRefusedException("The job names no repository that can be reached by http or https.");
        var tail = $"/{payload.JobInfo.ProjectFullPath}.git";
        var path = payload.JobInfo.ProjectFullPath.Length > 0 && url.AbsolutePath.EndsWith(tail, StringComparison.Ordinal) ? url.AbsolutePath[..^tail.Length] : "";
        return new UriBuilder(url) { UserName = "", Password = "", Path = path, Query = "", Fragment = "" }.Uri;
    }
}
