using System.CommandLine;
using RunnerVm.Jobs;

namespace RunnerVm.Commands;

/// <summary><c>runnervm snapshot create</c>: what <c>exec</c> has done behind its back after the first job of a kind.</summary>
internal static class SnapshotCreateCommand
{
    public static Command Create()
    {
        var command = new Command("create", "Make the snapshot of a kind of machine now. Otherwise the first job of the kind has it made.");
        MachineOptions.AddTo(command);
        command.SetAction(RunAsync);
        return command;
    }

    /// <summary>The command line that makes what a job of this kind starts from.</summary>
    public static IReadOnlyList<string> Arguments(Job job, string engine) => ["snapshot", "create", .. MachineOptions.Arguments(job, engine)];

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        var job = MachineOptions.Job(parsed);
        await using var session = await SnapshotSession.OpenAsync(job.Machine.Engine, cancellationToken);
        var made = await session.MakeAsync(await session.KindAsync(job, cancellationToken), cancellationToken);
        Console.Out.WriteLine(made.Name);
        return ExitCodes.Ok;
    }
}
