using RunnerVm.Sources.GitLab.Payload;
using RunnerVm.Sources.GitLab.Variables;

namespace RunnerVm.Sources.GitLab.Scripts;

/// <summary>The script that gets a job's sources. The machine is new, so there is never an old work tree to mend.</summary>
internal static class GetSourcesScript
{
    public static string Write(JobResponse payload, JobVariables variables, GuestPaths paths, GitSettings settings, string url)
    {
        var script = StageScript.Begin(variables, paths, inProject: false);
        script.Line("export GIT_TERMINAL_PROMPT=0 GCM_INTERACTIVE=Never");
        if (!settings.HasRepository) return WithoutRepository(script, paths, settings);

        Hook(script, payload, "pre_get_sources_script");
        Fetch(script, payload.GitInfo, paths, settings, url);
        if (settings.Checkout)
        {
            Checkout(script, payload.GitInfo, settings);
            if (settings.Submodules == SubmoduleStrategy.None) script.Announce("Skipping Git submodules setup");
            else Submodules(script, settings);
        }
        else
        {
            script.Announce("Skipping Git checkout");
        }

        Hook(script, payload, "post_get_sources_script");
        return script.ToString();
    }

    private static string WithoutRepository(ShellScript script, GuestPaths paths, GitSettings settings)
    {
        script.Announce(settings.Strategy == GitStrategy.Empty ? "Skipping Git repository setup and creating an empty build directory" : "Skipping Git repository setup");
        if (settings.Strategy == GitStrategy.Empty) script.Run("rm", "-rf", paths.Project);
        script.Run("mkdir", "-p", paths.Project);
        return script.Announce("Skipping Git checkout").Announce("Skipping Git submodules setup").ToString();
    }

    private static void Fetch(ShellScript script, GitInfo git, GuestPaths paths, GitSettings settings, string url)
    {
        if (settings.Strategy == GitStrategy.Clone) script.Run("rm", "-rf", paths.Project);
        script.Announce(git.Depth > 0 ? $"Fetching changes with git depth set to {git.Depth}..." : "Fetching changes...");
        List<string> init = ["git", "-c", "init.defaultBranch=none", "init", "--quiet", paths.Project];
        if (git.RepoObjectFormat != "sha1") init.Insert(4, $"--object-format={git.RepoObjectFormat}");
        script.Run(init).Run("cd", paths.Project);
        foreach (var (name, value) in (ReadOnlySpan<(string, string)>)[("fetch.recurseSubmodules", "false"), ("credential.interactive", "never"), ("gc.autoDetach", "false")])
            script.Run("git", "config", name, value);
        script.Run("git", "config", "include.path", GuestPaths.GitCredentials)
            .Line($"git remote add origin {ShellScript.Quote(url)} 2>/dev/null || git remote set-url origin {ShellScript.Quote(url)}");

        List<string> fetch = ["git", "-c", $"http.userAgent=runnervm/{Product.Version}", "fetch", "origin", "--no-recurse-submodules"];
        fetch.AddRange(git.Refspecs.Where(static r => !r.StartsWith('-')));
        if (git.Depth > 0) fetch.AddRange(["--depth", $"{git.Depth}"]);
        fetch.AddRange(settings.FetchFlags);
        script.Run(fetch);
    }

    private static void Checkout(ShellScript script, GitInfo git, GitSettings settings)
    {
        var shown = git.Sha.Length > 8 ? git.Sha[..8] : git.Sha;
        script.Announce($"Checking out {shown} as detached HEAD (ref is {git.Ref})...")
            .Line("runnervm_smudge=${GIT_LFS_SKIP_SMUDGE-}")
            .Line("export GIT_LFS_SKIP_SMUDGE=1")
            .Run("git", "-c", "submodule.recurse=false", "checkout", "-f", "-q", "--detach", git.Sha)
            .Line("if [ -n \"$runnervm_smudge\" ]; then export GIT_LFS_SKIP_SMUDGE=\"$runnervm_smudge\"; else unset GIT_LFS_SKIP_SMUDGE; fi");
        if (settings.CleanFlags.Count > 0) script.Run(["git", "clean", .. settings.CleanFlags]);
        script.Line("if [ -z \"$runnervm_smudge\" ] && git lfs version >/dev/null 2>&1; then git lfs pull; fi");
    }

    private static void Submodules(ShellScript script, GitSettings settings)
    {
        var recursive = settings.Submodules == SubmoduleStrategy.Recursive;
        string[] recurse = recursive ? ["--recursive"] : [];
        string[] depth = settings.SubmoduleDepth > 0 ? ["--depth", $"{settings.SubmoduleDepth}"] : [];
        string[] below = settings.SubmodulePaths.Count > 0 ? ["--", .. settings.SubmodulePaths] : [];
        script.Announce($"Updating/initializing submodules{(recursive ? " recursively" : "")}{(depth.Length > 0 ? $" with git depth set to {settings.SubmoduleDepth}" : "")}...");
        // Git hands the settings of the outer repository to its submodules only in the environment.
        string[] git = ["git", "-c", $"include.path={GuestPaths.GitCredentials}"];
        string[] update = [.. git, "submodule", "update", "--init", .. recurse, .. depth, .. settings.SubmoduleUpdateFlags, .. below];
        script.Run("git", "submodule", "init")
            .Run(["git", "submodule", "sync", .. recurse, .. below])
            .Line($"if ! {ShellScript.Words(update)}; then")
            .Warn("Updating submodules failed. Syncing and trying once more.")
            .Run(["git", "submodule", "sync", .. recurse, .. below])
            .Run(update)
            .Line("fi")
            .Run(["git", "submodule", "foreach", .. recurse, "git", "config", "include.path", GuestPaths.GitCredentials]);
        if (settings.CleanFlags.Count > 0) script.Run(["git", "submodule", "foreach", .. recurse, $"git clean {string.Join(' ', settings.CleanFlags.Select(ShellScript.Quote))}"]);
        script.Line("if ! git lfs version >/dev/null 2>&1; then :; else")
            .Run(["git", "submodule", "foreach", .. recurse, "git lfs pull"])
            .Line("fi");
    }

    private static void Hook(ShellScript script, JobResponse payload, string name)
    {
        foreach (var hook in payload.Hooks.Where(h => h.Name == name))
        foreach (var command in hook.Script)
            script.Command(command);
    }
}
