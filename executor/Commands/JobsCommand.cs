using System.CommandLine;
using System.Globalization;
using RunnerVm.Leases;
using RunnerVm.Store;
using Spectre.Console;

namespace RunnerVm.Commands;

/// <summary><c>runnervm ps|logs|kill</c>: the jobs that run on this host, whichever process runs them.</summary>
internal static class JobsCommand
{
    private static readonly Argument<string> Job = new("job") { Description = "A job of runnervm ps; the beginning of its name is enough." };
    private static readonly Option<bool> All = new("--all", "-a") { Description = "Also the agent's last jobs, and how each ended." };
    private static readonly Option<bool> Follow = new("--follow", "-f") { Description = "Go on until the job ends." };

    public static IEnumerable<Command> Create()
    {
        var list = new Command("ps", "List the jobs that run.") { All };
        list.SetAction(static parsed => List(parsed.GetValue(All)));
        var logs = new Command("logs", "Show what the host says about a job of the agent, also after its end.") { Job, Follow };
        logs.SetAction(static (parsed, token) => ShowAsync(parsed.GetRequiredValue(Job), parsed.GetValue(Follow), token));
        var kill = new Command("kill", "End a job that runs; it has its grace.") { Job };
        kill.SetAction(static parsed => Kill(parsed.GetRequiredValue(Job)));
        return [list, logs, kill];
    }

    private static int List(bool all)
    {
        if (all) ListEnded();
        var now = TimeProvider.System.GetUtcNow();
        var table = new Table().Border(TableBorder.None).AddColumns("JOB", "PHASE", "FOR", "OWNER", "MACHINE").AddColumn(new TableColumn("NAME").NoWrap());
        foreach (var (_, run) in Runs().OrderBy(static r => r.Record.StartedAt))
        {
            table.AddRow(
                run.JobId, run.Phase.ToString().ToLowerInvariant(), (now - run.StartedAt).ToString(@"d\.hh\:mm\:ss", CultureInfo.InvariantCulture),
                run.OwnerPid.ToString(CultureInfo.InvariantCulture), run.Engine?.Pid.ToString(CultureInfo.InvariantCulture) ?? "-", Markup.Escape(run.Title ?? "-"));
        }

        AnsiConsole.Write(table);
        return ExitCodes.Ok;
    }

    private static void ListEnded()
    {
        foreach (var row in Ended()) Console.WriteLine(Line(row));
    }

    private static IReadOnlyList<EndedRow> Ended()
    {
        var path = Path.Join(DataDirectory.FromEnvironment().Root, JobJournal.FileName);
        if (!File.Exists(path)) return [];
        using var journal = JobJournal.Open(path);
        return journal.ReadEnded();
    }

    private static int Kill(string job)
    {
        StopOrder.Place(Find(job).Folder);
        return ExitCodes.Ok;
    }

    private static async Task<int> ShowAsync(string job, bool follow, CancellationToken cancellationToken)
    {
        if (LogOf(job) is not { } path) return Tell(job);
        await using var output = Console.OpenStandardOutput();
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(200));
        while (true)
        {
            // Asked before the last read, so that what was written until the end is read too.
            var runs = follow && Runs().Any(r => Path.GetFileNameWithoutExtension(path) == r.Record.JobId);
            await file.CopyToAsync(output, cancellationToken);
            await output.FlushAsync(cancellationToken);
            if (!runs) return ExitCodes.Ok;
            await tick.WaitForNextTickAsync(cancellationToken);
        }
    }

    /// <summary>Of a job whose log is at its forge, or no longer kept: how it ended.</summary>
    private static int Tell(string job)
    {
        var row = Ended().LastOrDefault(row => row.JobId.StartsWith(job, StringComparison.Ordinal)) ?? throw new UserException(
            ExitCodes.Failed, $"There is no log of a job \"{job}\" in {DataDirectory.FromEnvironment().Logs}. Jobs of exec say all they say to whoever started them.");
        Console.WriteLine(Line(row));
        return ExitCodes.Ok;
    }

    /// <summary>A line a job, for eyes and for grep.</summary>
    private static string Line(EndedRow row) =>
        string.Create(CultureInfo.InvariantCulture, $"{row.JobId}  {row.At:yyyy-MM-dd HH:mm:ss}Z  {row.Result}  {row.Forge}: {(row.Sentence.StartsWith(row.Name, StringComparison.Ordinal) ? "" : $"{row.Name}: ")}{row.Sentence}");

    /// <summary>Of a job that runs, or ran: the agent's own log of it, or the one that goes to its forge; null: there is none here.</summary>
    private static string? LogOf(string job)
    {
        var data = DataDirectory.FromEnvironment();
        var found = new[] { data.Logs, data.Traces }.SelectMany(folder => Directory.GetFiles(folder, "*.log")).Where(path => Path.GetFileName(path).StartsWith(job, StringComparison.Ordinal)).ToList();
        return found switch
        {
            [var one] => one,
            [] => null,
            _ => found.Find(path => Path.GetFileNameWithoutExtension(path) == job) ?? throw Several(job, found.Select(static path => Path.GetFileNameWithoutExtension(path))),
        };
    }

    private static (string Folder, RunRecord Record) Find(string job) => Runs().Where(r => r.Record.JobId.StartsWith(job, StringComparison.Ordinal)).ToList() switch
    {
        [var one] => one,
        [] => throw new UserException(ExitCodes.Failed, $"No job \"{job}\" runs here; runnervm ps lists those that do."),
        var several => several.Find(r => r.Record.JobId == job) is { Record: not null } exact ? exact : throw Several(job, several.Select(static r => r.Record.JobId)),
    };

    private static UserException Several(string job, IEnumerable<string> names) =>
        new(ExitCodes.Failed, $"\"{job}\" is the beginning of several: {string.Join(", ", names.Order().Take(10))}. Write more of it.");

    private static IEnumerable<(string Folder, RunRecord Record)> Runs()
    {
        var data = DataDirectory.FromEnvironment();
        foreach (var folder in new RunLedger(data, TimeProvider.System).Folders())
        {
            if (RunRecord.Read(folder) is { } record) yield return (folder, record);
        }
    }
}
