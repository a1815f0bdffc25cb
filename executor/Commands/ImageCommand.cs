using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using RunnerVm.Images;
using RunnerVm.Logs;
using RunnerVm.Store;
using Spectre.Console;

namespace RunnerVm.Commands;

/// <summary><c>runnervm image ls|build|rm|prune</c>.</summary>
internal static partial class ImageCommand
{
    private static readonly Option<bool> Json = new("--json") { Description = "Print JSON." };
    private static readonly Option<bool> Refresh = new("--refresh") { Description = "Build it again, from today's packages." };
    private static readonly Argument<string> Name = new("name") { Description = "A recipe below job-images/." };

    public static Command Create()
    {
        Name.CompletionSources.Clear();
        Name.CompletionSources.Add(_ => Recipes().Names.Select(static n => new System.CommandLine.Completions.CompletionItem(n)));

        var list = new Command("ls", "List built images.") { Json };
        list.SetAction(parsed => List(parsed.GetValue(Json)));
        var build = new Command("build", "Build an image from its recipe.") { Name, Refresh };
        build.SetAction((parsed, cancellationToken) => BuildAsync(parsed.GetRequiredValue(Name), parsed.GetValue(Refresh), cancellationToken));
        var remove = new Command("rm", "Remove an image.") { Name };
        remove.SetAction(parsed => Remove(parsed.GetRequiredValue(Name)));
        var prune = new Command("prune", "Remove images and kernels nothing uses any more.");
        prune.SetAction((_, cancellationToken) => PruneAsync(cancellationToken));
        return new Command("image", "List, build and remove the images jobs run in.") { list, build, remove, prune };
    }

    private static int List(bool json)
    {
        var images = Store().List();
        if (json)
        {
            Console.Out.WriteLine(JsonSerializer.Serialize(images, ImageJson.Default.IReadOnlyListRootImage));
            return ExitCodes.Ok;
        }

        var table = new Table().Border(TableBorder.None).AddColumns("NAME", "DIGEST", "SIZE", "PACKAGES", "BUILT", "");
        foreach (var image in images)
        {
            table.AddRow(
                Markup.Escape(image.Name), image.Digest[..12], Readable.Size(image.Bytes), image.PackageCount.ToString(CultureInfo.InvariantCulture),
                image.Created.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture), image.IsCurrent ? "" : "outdated");
        }

        AnsiConsole.Write(table);
        foreach (var name in Recipes().Names.Except(images.Select(static i => i.Name)))
            AnsiConsole.MarkupLineInterpolated($"[dim]{name} is not built yet[/]");
        return ExitCodes.Ok;
    }

    private static async Task<int> BuildAsync(string name, bool refresh, CancellationToken cancellationToken)
    {
        await using var log = new JobLog(new ConsoleSink(ConsoleSettings.ForProcess()), new SecretMasker([]), TimeProvider.System);
        var progress = new PreparationProgress(log);
        try
        {
            var image = await Store().BuildAsync(name, refresh, progress, cancellationToken);
            await progress.DrainAsync();
            Console.Out.WriteLine(image.Path);
        }
        finally
        {
            await progress.DrainAsync();
        }

        return ExitCodes.Ok;
    }

    private static int Remove(string name)
    {
        foreach (var image in Store().Remove(name)) Console.Out.WriteLine($"removed {image.Name} {image.Digest[..12]}, {Readable.Size(image.Bytes)}");
        return ExitCodes.Ok;
    }

    private static async Task<int> PruneAsync(CancellationToken cancellationToken)
    {
        foreach (var image in await Store().PruneAsync(cancellationToken)) Console.Out.WriteLine($"removed {image.Name} {image.Digest[..12]}, {Readable.Size(image.Bytes)}");
        foreach (var kernel in new KernelStore(DataDirectory.FromEnvironment(), TimeProvider.System).Prune()) Console.Out.WriteLine($"removed kernel {kernel}");
        return ExitCodes.Ok;
    }

    private static ImageRecipes Recipes() => new(InstallLayout.FromEnvironment().JobImages);

    private static ImageStore Store() => new(DataDirectory.FromEnvironment(), Recipes(), TimeProvider.System);

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
    [JsonSerializable(typeof(IReadOnlyList<RootImage>))]
    private sealed partial class ImageJson : JsonSerializerContext;
}
