using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using RunnerVm.Images;
using RunnerVm.Images.Runners;
using RunnerVm.Logs;
using RunnerVm.Operate;
using RunnerVm.Store;
using Spectre.Console;

namespace RunnerVm.Commands;

/// <summary><c>runnervm runner fetch|ls</c>: GitHub's official runner, on a disk of its own.</summary>
internal static class RunnerCommand
{
    /// <summary>Below it, somebody has to act soon.</summary>
    private const int FewDays = 30;

    private static readonly Option<string?> From = new("--from") { Description = "Archive (.tar.gz) or folder of GitHub's runner. Default: GitHub's releases." };
    private static readonly Option<string?> Wanted = new("--release") { Description = "Which version of GitHub's releases, as 2.336.0. Default: the latest." };
    private static readonly Option<string?> Sha256 = new("--sha256") { Description = "What the archive's SHA-256 must be, as GitHub's release page names it." };
    private static readonly Option<DateTimeOffset?> Released = new("--released") { Description = "When GitHub released it, as 2026-11-03. Default: the date of its files." };
    private static readonly Option<bool> Json = new("--json") { Description = "Print JSON." };

    public static Command Create()
    {
        var fetch = new Command("fetch", "Pack a version of GitHub's runner; the last two stay.") { From, Wanted, Sha256, Released };
        fetch.SetAction(FetchAsync);
        var list = new Command("ls", "List the versions there are.") { Json };
        list.SetAction(parsed => List(parsed.GetValue(Json)));
        return new Command("runner", "GitHub's official runner, which serves GitHub's jobs inside the machines.") { fetch, list };
    }

    /// <summary>A line of <c>doctor</c>: how long GitHub still hands jobs to what there is.</summary>
    public static DoctorCheck Check(RunnerStore store, TimeProvider time)
    {
        const string Name = "github runner";
        const string Fix = "Get the newest: runnervm runner fetch";
        if (store.List() is not [var newest, ..]) return new(Name, CheckStatus.Ok, "none; only GitHub's jobs need one");
        var days = newest.DaysLeft(time.GetUtcNow());
        return days switch
        {
            <= 0 => new(Name, CheckStatus.Warn, $"{newest.Version}, past its time", "GitHub hands no jobs to versions about 90 days old", Fix),
            <= FewDays => new(Name, CheckStatus.Warn, $"{newest.Version}, about {days} days left", "GitHub cuts versions off about 90 days after their release", Fix),
            _ => new(Name, CheckStatus.Ok, $"{newest.Version}, about {days} days left"),
        };
    }

    private static async Task<int> FetchAsync(ParseResult parsed, CancellationToken cancellationToken)
    {
        await using var log = new JobLog(new ConsoleSink(ConsoleSettings.ForProcess()), new SecretMasker([]), TimeProvider.System);
        var progress = new PreparationProgress(log);
        try
        {
            var disk = parsed.GetValue(From) is { } from
                ? await Store().FetchAsync(from, parsed.GetValue(Sha256), parsed.GetValue(Released), progress, cancellationToken)
                : await DownloadAsync(parsed, progress, cancellationToken);
            await progress.DrainAsync();
            Console.Out.WriteLine(disk.Path);
        }
        finally
        {
            await progress.DrainAsync();
        }

        return ExitCodes.Ok;
    }

    private static async Task<RunnerDisk> DownloadAsync(ParseResult parsed, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        if (parsed.GetValue(Sha256) is not null || parsed.GetValue(Released) is not null)
            throw new UserException(ExitCodes.Usage, "--sha256 and --released belong to --from: a release of GitHub's says both itself.");
        using var releases = new RunnerReleases(Environment.GetEnvironmentVariable(RunnerReleases.AddressVariable) ?? RunnerReleases.DefaultAddress);
        return await Store().FetchReleaseAsync(releases, parsed.GetValue(Wanted), progress, cancellationToken);
    }

    private static int List(bool json)
    {
        var disks = Store().List();
        if (json)
        {
            Console.Out.WriteLine(JsonSerializer.Serialize(disks, RunnerJson.Default.IReadOnlyListRunnerDisk));
            return ExitCodes.Ok;
        }

        var table = new Table().Border(TableBorder.None).AddColumns("VERSION", "RELEASED", "DAYS LEFT", "SIZE");
        foreach (var disk in disks)
        {
            table.AddRow(
                disk.Version, disk.Released.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
                disk.DaysLeft(TimeProvider.System.GetUtcNow()).ToString(CultureInfo.InvariantCulture), Readable.Size(disk.Bytes));
        }

        AnsiConsole.Write(table);
        return ExitCodes.Ok;
    }

    private static RunnerStore Store() => new(DataDirectory.FromEnvironment(), TimeProvider.System);
}
