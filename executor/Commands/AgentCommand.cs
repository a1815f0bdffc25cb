using System.CommandLine;
using System.Globalization;
using RunnerVm.Agents;
using RunnerVm.Snapshots;
using Serilog;
using Serilog.Events;

namespace RunnerVm.Commands;

/// <summary><c>runnervm agent</c>: takes jobs from forges until it is told to stop.</summary>
internal static class AgentCommand
{
    private const string DefaultConfig = "/etc/runnervm/agent.yml";

    private static readonly Option<string> Config = new("--config", "-c") { Description = "The configuration; config/agent.yml is a commented sample.", DefaultValueFactory = _ => DefaultConfig };
    private static readonly Option<bool> Check = new("--check") { Description = "Check the configuration, the engine and every token, and stop." };
    private static readonly Option<bool> Verbose = new("--verbose") { Description = "Log more." };

    public static Command Create()
    {
        var command = new Command("agent", "Take jobs from GitLab and GitHub, each in a machine of its own, until stopped.") { Config, Check, Verbose };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        var path = parsed.GetRequiredValue(Config);
        var options = AgentFile.Load(path, AgentFileContext.FromProcess());
        await using var log = new LoggerConfiguration()
            .MinimumLevel.Is(parsed.GetValue(Verbose) ? LogEventLevel.Debug : LogEventLevel.Information)
            .WriteTo.Console(
                outputTemplate: "{Timestamp:yyyy-MM-dd HH:mm:ss.fff} {Level:u4} {Message:lj}{NewLine}{Exception}",
                formatProvider: CultureInfo.InvariantCulture, standardErrorFromLevel: LogEventLevel.Verbose)
            .CreateLogger();
        using var session = await AgentSession.OpenAsync(options, log, SnapshotSetting.FromEnvironment(), SnapshotCreateCommand.Arguments, cancellationToken);
        if (parsed.GetValue(Check)) return await CheckAsync(session, cancellationToken);

        using var stop = new AgentStop();
        var reloads = new ConfigurationReloads(() => AgentFile.Load(path, AgentFileContext.FromProcess()), log);
        using var signals = AgentSignals.Attach(stop, reloads, log);
        await session.RunAsync(stop, reloads);
        return ExitCodes.Ok;
    }

    private static async Task<int> CheckAsync(AgentSession session, CancellationToken cancellationToken)
    {
        var good = true;
        foreach (var forge in session.Forges)
        {
            var check = await forge.CheckAsync(cancellationToken);
            good &= check.Good;
            await Console.Out.WriteLineAsync($"{(check.Good ? "ok  " : "FAIL")} {forge.Name}: {check.Said}");
        }

        return good ? ExitCodes.Ok : ExitCodes.Failed;
    }
}
