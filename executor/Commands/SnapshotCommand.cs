using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using RunnerVm.Logs;
using RunnerVm.Options;
using RunnerVm.Snapshots;
using RunnerVm.Store;
using Spectre.Console;

namespace RunnerVm.Commands;

/// <summary><c>runnervm snapshot ls|create|rm|prune</c>.</summary>
internal static partial class SnapshotCommand
{
    private static readonly Option<bool> Json = new("--json") { Description = "Print JSON." };
    private static readonly Argument<string> Name = new("name") { Description = "How its name begins, as ls shows it; all removes all." };
    private static readonly Option<string> Unused = new("--unused") { Description = "Also those not used for so long.", DefaultValueFactory = static _ => "14d" };

    public static Command Create()
    {
        var list = new Command("ls", "List the snapshots there are.") { Json };
        list.SetAction(parsed => List(parsed.GetValue(Json)));
        var remove = new Command("rm", "Remove snapshots. Machines that run from them go on.") { Name };
        remove.SetAction(parsed => Remove(parsed.GetRequiredValue(Name)));
        var prune = new Command("prune", "Remove snapshots no job can start from any more, and unused ones.") { Unused };
        prune.SetAction((parsed, cancellationToken) => PruneAsync(parsed.GetRequiredValue(Unused), cancellationToken));
        return new Command("snapshot", "List, make and remove the snapshots that machines are restored from.") { list, SnapshotCreateCommand.Create(), remove, prune };
    }

    private static int List(bool json)
    {
        IReadOnlyList<Row> rows = [.. Store().List().Select(Row.Of)];
        if (json)
        {
            Console.Out.WriteLine(JsonSerializer.Serialize(rows, ListJson.Default.IReadOnlyListRow));
            return ExitCodes.Ok;
        }

        if (rows.Count == 0)
        {
            Console.Error.WriteLine("There are none. The first job of a kind leaves one behind; \"runnervm snapshot create\" makes one now.");
            return ExitCodes.Ok;
        }

        var table = new Table().Border(TableBorder.None).AddColumns("NAME", "SIZE", "LAST USED", "KIND");
        foreach (var row in rows)
            table.AddRow(row.Name, Readable.Size(row.Bytes), row.LastUsed.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture), Markup.Escape(row.Kind));
        AnsiConsole.Write(table);
        return ExitCodes.Ok;
    }

    private static int Remove(string name)
    {
        var removed = Store().Remove(name == "all" ? "" : name);
        if (removed.Count == 0 && name != "all")
            throw new UserException(ExitCodes.Failed, $"There is no snapshot whose name begins with \"{name}\". \"runnervm snapshot ls\" lists them.");
        Tell(removed);
        return ExitCodes.Ok;
    }

    private static async Task<int> PruneAsync(string unused, CancellationToken cancellationToken)
    {
        if (!Duration.TryParse(unused, out var limit, out var problem)) throw new UserException(ExitCodes.Usage, $"{Unused.Name} {unused}: {problem}");
        Tell(await Store().PruneAsync(limit, cancellationToken));
        return ExitCodes.Ok;
    }

    private static void Tell(IReadOnlyList<Snapshot> removed)
    {
        foreach (var snapshot in removed) Console.Out.WriteLine($"removed {snapshot.Name}, {Readable.Size(snapshot.Manifest.Bytes)}");
    }

    private static SnapshotStore Store() => new(DataDirectory.FromEnvironment(), TimeProvider.System);

    /// <param name="Kind">What tells it from the others of this host, in a few words.</param>
    internal sealed record Row(string Name, DateTimeOffset Created, DateTimeOffset LastUsed, long Bytes, string Kind)
    {
        private static readonly string[] Told = ["engine", "image", "cpus", "memory", "disk", "network"];

        public static Row Of(Snapshot snapshot)
        {
            var words = snapshot.Manifest.Inputs.Select(static i => i.Split(' ')).Where(static w => w.Length > 1).ToLookup(static w => w[0], static w => w[1]);
            return new(
                snapshot.Name, snapshot.Manifest.Created, snapshot.LastUsed, snapshot.Manifest.Bytes,
                string.Join(", ", Told.Select(t => $"{t} {Path.GetFileNameWithoutExtension(words[t].FirstOrDefault())}")));
        }
    }

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
    [JsonSerializable(typeof(IReadOnlyList<Row>))]
    private sealed partial class ListJson : JsonSerializerContext;
}
