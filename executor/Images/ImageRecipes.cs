using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace RunnerVm.Images;

/// <summary>The recipes of a folder: one folder an image, in it <c>image.yml</c>.</summary>
internal sealed partial class ImageRecipes
{
    private const string FileName = "image.yml";
    private static readonly string[] Keys = ["suite", "packages", "from", "run"];
    private readonly string _folder;

    public ImageRecipes(string folder) => _folder = folder;

    /// <summary>Names of all recipes, sorted.</summary>
    public IReadOnlyList<string> Names => [.. Directory.GetDirectories(_folder)
        .Where(folder => File.Exists(Path.Combine(folder, FileName)))
        .Select(folder => Path.GetFileName(folder))
        .Order(StringComparer.Ordinal)];

    /// <exception cref="UserException">There is no such recipe, or it or one it inherits from is wrong.</exception>
    public ImageRecipe Load(string name) => Load(name, []);

    private ImageRecipe Load(string name, IReadOnlyList<string> heirs)
    {
        var path = Path.Combine(_folder, name, FileName);
        if (!NamePattern().IsMatch(name) || !File.Exists(path)) throw Unknown(name, heirs);
        if (heirs.Contains(name)) throw Wrong(path, null, $"it inherits from itself: {string.Join(" from ", [.. heirs, name])}");

        var map = Parse(path);
        foreach (var key in map.Children.Keys)
        {
            if (!Keys.Contains(Text(key, path))) throw Wrong(path, key, $"unknown key \"{key}\"; known are {string.Join(", ", Keys)}");
        }

        var parent = Find(map, "from") is { } from ? Load(Text(from, path), [.. heirs, name]) : null;
        var suite = Find(map, "suite") is { } node ? Text(node, path) : parent?.Suite
            ?? throw Wrong(path, null, "it has neither \"suite\" (the Debian release, for example bookworm) nor \"from\"");
        if (!NamePattern().IsMatch(suite)) throw Wrong(path, Find(map, "suite"), $"\"{suite}\" is not a release's code name");
        var packages = Items(map, "packages", path);
        foreach (var (package, at) in packages)
        {
            if (!NamePattern().IsMatch(package)) throw Wrong(path, at, $"\"{package}\" is not a package's name");
        }

        return new(
            name,
            suite,
            [.. (parent?.Packages ?? []).Concat(packages.Select(item => item.Text)).Distinct().Order(StringComparer.Ordinal)],
            [.. parent?.Run ?? [], .. Items(map, "run", path).Select(item => item.Text)]);
    }

    private static YamlMappingNode Parse(string path)
    {
        try
        {
            var yaml = new YamlStream();
            using var reader = File.OpenText(path);
            yaml.Load(reader);
            return yaml.Documents.Count == 1 && yaml.Documents[0].RootNode is YamlMappingNode map
                ? map
                : throw Wrong(path, null, "it is not a list of keys and values");
        }
        catch (YamlException e)
        {
            throw new UserException(
                ExitCodes.BadFile, $"Cannot read the image recipe {path}:{e.Start.Line}:{e.Start.Column}: {e.Message}", e);
        }
    }

    private static YamlNode? Find(YamlMappingNode map, string key) =>
        map.Children.FirstOrDefault(entry => entry.Key is YamlScalarNode scalar && scalar.Value == key).Value;

    private static List<(string Text, YamlNode At)> Items(YamlMappingNode map, string key, string path) => Find(map, key) switch
    {
        null => [],
        YamlSequenceNode list => [.. list.Children.Select(item => (Text(item, path), item))],
        var other => throw Wrong(path, other, $"\"{key}\" must be a list"),
    };

    private static string Text(YamlNode node, string path) =>
        node is YamlScalarNode { Value: { Length: > 0 } text } ? text : throw Wrong(path, node, "a word or line of text was expected here");

    private static UserException Wrong(string path, YamlNode? at, string why)
    {
        var place = at is null ? path : $"{path}:{at.Start.Line}:{at.Start.Column}";
        return new(ExitCodes.BadFile, $"The image recipe {place} is wrong: {why}.");
    }

    private UserException Unknown(string name, IReadOnlyList<string> heirs)
    {
        var names = Names;
        var nearest = names.OrderBy(known => Distance(known, name)).FirstOrDefault();
        var meant = nearest is not null && Distance(nearest, name) <= Math.Max(2, name.Length / 3) ? $" Did you mean {nearest}?" : "";
        var wantedBy = heirs.Count == 0 ? "" : $", from which {heirs[^1]} inherits";
        return new(
            ExitCodes.BadFile,
            $"There is no image \"{name}\"{wantedBy}.{meant} Images: {string.Join(", ", names)}. "
            + $"Each is a folder in {_folder} with a file {FileName}.");
    }

    /// <summary>Levenshtein's: single letters put in, taken out or changed.</summary>
    private static int Distance(string one, string other)
    {
        var row = Enumerable.Range(0, other.Length + 1).ToArray();
        for (var i = 1; i <= one.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= other.Length; j++)
            {
                var replaced = diagonal + (one[i - 1] == other[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1];
    }

    [GeneratedRegex(@"\A[a-z0-9][a-z0-9+.-]{0,99}\z")]
    private static partial Regex NamePattern();
}
