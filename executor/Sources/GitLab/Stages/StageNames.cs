namespace RunnerVm.Sources.GitLab.Stages;

/// <summary>The parts of a GitLab job, by the names its log's sections have, with the title shown over each.</summary>
internal static class StageNames
{
    public const string PrepareExecutor = "prepare_executor";
    public const string PrepareScript = "prepare_script";
    public const string GetSources = "get_sources";
    public const string RestoreCache = "restore_cache";
    public const string DownloadArtifacts = "download_artifacts";
    public const string AfterScript = "after_script";
    public const string ArchiveCache = "archive_cache";
    public const string ArchiveCacheOnFailure = "archive_cache_on_failure";
    public const string UploadArtifactsOnSuccess = "upload_artifacts_on_success";
    public const string UploadArtifactsOnFailure = "upload_artifacts_on_failure";

    /// <summary>The user's script is called step_script wherever it shows; other steps by their names.</summary>
    public static string OfStep(string step) => $"step_{new string([.. step.Select(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-' ? c : '_')])}";

    public static string Title(string stage) => stage switch
    {
        PrepareExecutor => "Preparing the machine",
        PrepareScript => "Preparing environment",
        GetSources => "Getting source from Git repository",
        RestoreCache => "Restoring cache",
        DownloadArtifacts => "Downloading artifacts",
        AfterScript => "Running after_script",
        ArchiveCache => "Saving cache for successful job",
        ArchiveCacheOnFailure => "Saving cache for failed job",
        UploadArtifactsOnSuccess => "Uploading artifacts for successful job",
        UploadArtifactsOnFailure => "Uploading artifacts for failed job",
        _ => $"Executing \"{stage}\" stage of the job script",
    };
}
