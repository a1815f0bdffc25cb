using System.CommandLine;
using System.Text.Json;
using RunnerVm.Leases;
using RunnerVm.Sources.GitLab.Custom;
using RunnerVm.Store;

namespace RunnerVm.Commands;

/// <summary>
/// <c>runnervm gitlab config|prepare|run|cleanup</c>: the four programs a gitlab-runner with <c>executor = "custom"</c>
/// calls. Exit codes are those it asks for in the environment.
/// </summary>
internal static class GitLabCommand
{
    private static readonly Argument<string> Script = new("script") { Description = "Path of the script; gitlab-runner adds it." };
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(20);

    private static readonly Argument<string> Stage = new("stage") { Description = "Name of the script's stage; gitlab-runner adds it." };

    public static Command Create()
    {
        var config = new Command("config", "Answer what gitlab-runner must know before a job (config_exec).");
        config.SetAction((ParseResult _) => Console.Out.WriteLine(JsonSerializer.Serialize(DriverConfiguration.Ours, KeeperJson.Default.DriverConfiguration)));
        var run = new Command("run", "Run one of a job's scripts in its machine (run_exec).") { Script, Stage };
        run.SetAction((parsed, cancellationToken) => GuardAsync(environment => RunAsync(environment, parsed.GetRequiredValue(Script), parsed.GetRequiredValue(Stage), cancellationToken)));
        var cleanup = new Command("cleanup", "End a job's machine, if there is one (cleanup_exec).");
        cleanup.SetAction((_, _) => GuardAsync(CleanUpAsync));
        var keep = new Command("keep", "Own a job's machine.") { Hidden = true };
        keep.SetAction((_, _) => GitLabKeeper.RunAsync());
        return new("gitlab", "Be the custom executor of a gitlab-runner.") { config, GitLabPrepare.Create(), run, cleanup, keep };
    }

    /// <summary>Nothing of ours that fails is the job's fault, whatever our own exit codes are.</summary>
    internal static async Task<int> GuardAsync(Func<CustomEnvironment, Task<int>> work)
    {
        var environment = CustomEnvironment.FromProcess();
        try
        {
            return await work(environment);
        }
        catch (Exception e) when (e is UserException or IOException or UnauthorizedAccessException)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return environment.SystemFailure;
        }
    }

    private static async Task<int> RunAsync(CustomEnvironment environment, string script, string stage, CancellationToken cancellationToken)
    {
        var payload = environment.ReadResponse();
        var reply = await new KeeperClient(CustomJob.Socket(DataDirectory.FromEnvironment(), payload)).RunAsync(stage, await File.ReadAllBytesAsync(script, cancellationToken));
        if (reply.Diagnosis is not null) await Console.Error.WriteLineAsync(reply.Diagnosis);
        if (reply.Lost) return environment.SystemFailure;
        if (reply.ExitCode == 0) return ExitCodes.Ok;
        environment.WriteExitCode(reply.ExitCode);
        return environment.BuildFailure;
    }

    private static async Task<int> CleanUpAsync(CustomEnvironment environment)
    {
        try
        {
            var data = DataDirectory.FromEnvironment();
            var payload = environment.ReadResponse();
            await new KeeperClient(CustomJob.Socket(data, payload)).EndAsync();
            await LeaveNothingAsync(data, Path.Join(data.Runs, CustomJob.RunFolder(payload)));
        }
        catch (UserException e)
        {
            // What cannot be found needs no end, and a failure here could not be mended by anybody.
            await Console.Error.WriteLineAsync(e.Message);
        }

        return ExitCodes.Ok;
    }

    /// <summary>A keeper may have been killed, or may still be ending by itself because its prepare was; the next attempt needs its place.</summary>
    private static async Task LeaveNothingAsync(DataDirectory data, string folder)
    {
        using var limit = new CancellationTokenSource(EndLimit);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        var sweeper = new OrphanSweeper(new RunLedger(data, TimeProvider.System), TimeProvider.System);
        try
        {
            while (Directory.Exists(folder))
            {
                await sweeper.SweepAsync(limit.Token);
                await tick.WaitForNextTickAsync(limit.Token);
            }
        }
        catch (OperationCanceledException)
        {
            await Console.Error.WriteLineAsync($"What is left in {folder} could not be removed yet; the next run of runnervm removes it.");
        }
    }
}
