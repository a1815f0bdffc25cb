using System.Text;
using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Sources.GitLab.Files;
using RunnerVm.Sources.GitLab.Scripts;
using RunnerVm.Sources.GitLab.Traces;
using RunnerVm.Sources.GitLab.Variables;

namespace RunnerVm.Sources.GitLab.Stages;

/// <summary>What is known of a job before it has a machine: its variables, paths and settings, all checked.</summary>
internal sealed record JobPlan(JobVariables Variables, GuestPaths Paths, GitSettings Git, GitCredentials? Credentials)
{
    /// <exception cref="JobRefusedException">The job asks for what cannot be done here.</exception>
    public static JobPlan For(GitLabAssignment assignment, bool serverOnLoopback)
    {
        var payload = assignment.Payload;
        if (payload.Services.Count > 0)
            throw new JobRefusedException($"This runner cannot start services yet, and the job asks for {string.Join(", ", payload.Services.Select(static s => UntrustedText.Line(s.Name)))}. "
                + "Start them in the script, or give the job tags of a runner that has them.");
        if (!string.IsNullOrEmpty(payload.Run)) throw new JobRefusedException("This runner has no step runner: write 'script:' instead of 'run:'.");
        if (payload.Secrets.Count > 0)
            throw new JobRefusedException($"This runner reads no external vaults, and the job asks for {string.Join(", ", payload.Secrets.Keys.Select(UntrustedText.Line))} by 'secrets:'. Use a masked variable.");
        var paths = GuestPaths.For(payload);
        var variables = RunnerVariables.Compose(payload, assignment.Runner, paths);
        var git = GitSettings.Read(payload, variables);
        if (git.Strategy == GitStrategy.Empty) (paths, variables) = Emptied(assignment, paths);
        return new(variables, paths, git, git.HasRepository ? new GitCredentials(payload, serverOnLoopback) : null);
    }

    /// <summary>What lies in the guest's memory before the first stage.</summary>
    public IReadOnlyList<GuestFile> Files()
    {
        var files = new List<GuestFile>();
        if (Credentials is not null) files.Add(new("git-credentials", Credentials.ToFile(Variables, Git.ForceHttps)));
        foreach (var variable in Variables.Ordered.Where(static v => v.File && VariableName.IsValid(v.Key)))
            files.Add(new($"variables/{variable.Key}", Encoding.UTF8.GetBytes(variable.Value)));
        return files;
    }

    /// <summary>What the guest is to pack for a cache or an artifact; null when no file can be meant.</summary>
    public Task<TarOutRequest?> ChooseAsync(
        GuestSession guest, IReadOnlyList<string> paths, IReadOnlyList<string> exclude, bool untracked, JobTrace trace, StopRequest stop) =>
        new ChosenFiles(guest, Paths.Project, trace.WarnAsync).FindAsync(PathSelection.Of(paths, exclude, Variables.Expand, Paths.Project), untracked, stop);

    /// <summary>GIT_STRATEGY empty has a folder of its own name, so that nothing is taken for a repository.</summary>
    private static (GuestPaths, JobVariables) Emptied(GitLabAssignment assignment, GuestPaths paths)
    {
        var empty = new GuestPaths($"{paths.Project}-empty");
        return (empty, RunnerVariables.Compose(assignment.Payload, assignment.Runner, empty));
    }
}
