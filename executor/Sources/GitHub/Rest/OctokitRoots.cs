using System.Diagnostics.CodeAnalysis;
using Octokit;

namespace RunnerVm.Sources.GitHub.Rest;

/// <summary>
/// What Octokit makes by reflection at run time in the answers we read. The compiler sees none of it; what is missing here
/// shows as a <see cref="GitHubFault.Garbled"/> answer of the published program alone, never under the test's compiler.
/// </summary>
internal static class OctokitRoots
{
    private const DynamicallyAccessedMemberTypes All = DynamicallyAccessedMemberTypes.All;

    /// <summary>Ours, through Octokit's connection.</summary>
    [DynamicDependency(All, typeof(JitRequest))]
    [DynamicDependency(All, typeof(JitAnswer))]
    [DynamicDependency(All, typeof(JitRunner))]
    // Pages and lists.
    [DynamicDependency(All, typeof(List<string>))]
    [DynamicDependency(All, typeof(List<Runner>))]
    [DynamicDependency(All, typeof(List<RunnerLabel>))]
    [DynamicDependency(All, typeof(List<RunnerResponse>))]
    [DynamicDependency(All, typeof(List<WorkflowRun>))]
    [DynamicDependency(All, typeof(List<WorkflowRunsResponse>))]
    [DynamicDependency(All, typeof(List<WorkflowJob>))]
    [DynamicDependency(All, typeof(List<WorkflowJobStep>))]
    [DynamicDependency(All, typeof(List<WorkflowJobsResponse>))]
    [DynamicDependency(All, typeof(List<WorkflowReference>))]
    [DynamicDependency(All, typeof(List<PullRequest>))]
    [DynamicDependency(All, typeof(List<User>))]
    [DynamicDependency(All, typeof(List<Team>))]
    [DynamicDependency(All, typeof(List<Label>))]
    [DynamicDependency(All, typeof(List<GitReference>))]
    [DynamicDependency(All, typeof(List<ApiErrorDetail>))]
    [DynamicDependency(All, typeof(List<NewCheckRunAnnotation>))]
    // Words that may be new to this Octokit.
    [DynamicDependency(All, typeof(StringEnum<AccountType>))]
    [DynamicDependency(All, typeof(StringEnum<CheckAnnotationLevel>))]
    [DynamicDependency(All, typeof(StringEnum<CheckConclusion>))]
    [DynamicDependency(All, typeof(StringEnum<CheckRunStatusFilter>))]
    [DynamicDependency(All, typeof(StringEnum<CheckStatus>))]
    [DynamicDependency(All, typeof(StringEnum<InstallationReadPermissionLevel>))]
    [DynamicDependency(All, typeof(StringEnum<InstallationReadWriteAdminPermissionLevel>))]
    [DynamicDependency(All, typeof(StringEnum<InstallationReadWritePermissionLevel>))]
    [DynamicDependency(All, typeof(StringEnum<InstallationRepositorySelection>))]
    [DynamicDependency(All, typeof(StringEnum<InstallationWritePermissionLevel>))]
    [DynamicDependency(All, typeof(StringEnum<ItemState>))]
    [DynamicDependency(All, typeof(StringEnum<LockReason>))]
    [DynamicDependency(All, typeof(StringEnum<MergeableState>))]
    [DynamicDependency(All, typeof(StringEnum<TeamPrivacy>))]
    [DynamicDependency(All, typeof(StringEnum<VerificationReason>))]
    [DynamicDependency(All, typeof(StringEnum<WorkflowJobConclusion>))]
    [DynamicDependency(All, typeof(StringEnum<WorkflowJobStatus>))]
    [DynamicDependency(All, typeof(StringEnum<WorkflowRunConclusion>))]
    [DynamicDependency(All, typeof(StringEnum<WorkflowRunJobsFilter>))]
    [DynamicDependency(All, typeof(StringEnum<WorkflowRunStatus>))]
    public static void Keep()
    {
        // The attributes are the work.
    }
}
