using RunnerVm.Sources.GitLab.Payload;
using RunnerVm.Sources.GitLab.Variables;

namespace RunnerVm.Sources.GitLab.Files;

/// <summary>What an artifact's file is called where people download it.</summary>
internal static class ArtifactName
{
    public static string Of(JobArtifacts artifacts, JobVariables variables) => Of(variables.Expand(artifacts.Name ?? ""), artifacts.Name, artifacts.ArtifactFormat);

    /// <param name="expanded">The name with its variables filled in.</param>
    /// <param name="written">As the job wrote it; nothing at all is called otherwise than what becomes nothing.</param>
    internal static string Of(string expanded, string? written, string? format)
    {
        var name = string.IsNullOrEmpty(written) ? "artifacts" : expanded[(expanded.LastIndexOf('/') + 1)..];
        name = new([.. name.Where(static c => !char.IsControl(c) && c is not '"' and not '\\')]);
        if (name is "" or "." or "..") name = "default";
        return name + format switch
        {
            "gzip" => ".gz",
            "raw" => "",
            _ => ".zip",
        };
    }
}
