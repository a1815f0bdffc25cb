using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using RunnerVm.Store;

namespace RunnerVm.Images;

/// <summary>
/// The root images of this host, each built once per recipe: <c>images/NAME-DIGEST.erofs</c> with a manifest
/// (<c>.json</c>) and the list of its packages (<c>.packages</c>) beside it.
/// </summary>
internal sealed class ImageStore
{
    private readonly string _folder;
    private readonly ImageRecipes _recipes;
    private readonly TimeProvider _time;
    private readonly BuildStep _build;

    /// <summary>Fills a folder with root.erofs and packages; tests put a quick one here.</summary>
    internal delegate Task BuildStep(
        ImageRecipe recipe, string folder, IProgress<BuildProgress> progress, CancellationToken cancellationToken);

    public ImageStore(DataDirectory data, ImageRecipes recipes, TimeProvider time, BuildStep? build = null)
    {
        _folder = data.Images;
        _recipes = recipes;
        _time = time;
        _build = build ?? Bootstrap.RunAsync;
    }

    /// <summary>The image of that name as its recipe stands; built first where there is none.</summary>
    /// <param name="refresh">Build it again, from today's packages.</param>
    /// <exception cref="UserException">No such recipe, or it could not be built.</exception>
    public async Task<RootImage> BuildAsync(
        string name, bool refresh, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        var recipe = _recipes.Load(name);
        if (!refresh && Find(recipe) is { } ready) return ready;
        var what = "image " + name;
        await using var site = await BuildSite.EnterAsync(
            _folder, name, () => progress.Report(new(what, null, "another runnervm is building it, waiting")), _time, cancellationToken);
        if ((!refresh || site.Waited) && Find(recipe) is { } other) return other;

        await _build(recipe, site.Folder, progress, cancellationToken);
        var image = await PublishAsync(recipe, site.Folder, cancellationToken);
        progress.Report(new(what, 1, $"ready, {image.Bytes / 1_000_000} MB, {image.PackageCount} packages"));
        return image;
    }

    /// <summary>The image of a recipe if it has been built. Reads small files only.</summary>
    public RootImage? Find(string name) => Find(_recipes.Load(name));

    /// <summary>All images, the newest of each name first.</summary>
    public IReadOnlyList<RootImage> List() => [.. Manifests()
        .Select(ToImage)
        .OrderBy(image => image.Name, StringComparer.Ordinal)
        .ThenByDescending(image => image.Created)];

    /// <summary>Removes every image of a name. Machines that run from one keep it until they end.</summary>
    /// <exception cref="UserException">There is none.</exception>
    public IReadOnlyList<RootImage> Remove(string name)
    {
        var images = List().Where(image => image.Name == name).ToList();
        if (images.Count == 0)
        {
            throw new UserException(ExitCodes.Failed, $"There is no built image \"{name}\" in {_folder}. \"runnervm image ls\" lists them.");
        }

        images.ForEach(Delete);
        return images;
    }

    /// <summary>Removes what no recipe would use any more: older builds, changed and vanished recipes, what crashes left.</summary>
    public async Task<IReadOnlyList<RootImage>> PruneAsync(CancellationToken cancellationToken)
    {
        await BuildSite.SweepAsync(_folder, cancellationToken);
        var used = _recipes.Names.Select(Find).OfType<RootImage>().Select(image => image.Path).ToHashSet();
        var unused = List().Where(image => !used.Contains(image.Path)).ToList();
        unused.ForEach(Delete);
        return unused;
    }

    /// <summary>Removes what killed builds of images, kernels and disks left. Costs two directory listings when there is nothing.</summary>
    public static async Task SweepAsync(DataDirectory data, CancellationToken cancellationToken)
    {
        await BuildSite.SweepAsync(data.Images, cancellationToken);
        await BuildSite.SweepAsync(data.Kernels, cancellationToken);
    }

    private RootImage? Find(ImageRecipe recipe) => Manifests(recipe.Name)
        .Where(manifest => manifest.RecipeKey == recipe.Key)
        .OrderByDescending(manifest => manifest.Created)
        .Select(ToImage)
        .FirstOrDefault();

    private async Task<RootImage> PublishAsync(ImageRecipe recipe, string folder, CancellationToken cancellationToken)
    {
        var packages = await File.ReadAllTextAsync(Path.Combine(folder, "packages"), cancellationToken);
        var tools = await BuilderTools.VersionsAsync(cancellationToken);
        var inputs = string.Join('\n', [recipe.Key, .. tools, packages]);
        var digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(inputs)));
        var file = $"{recipe.Name}-{digest[..12]}.erofs";
        var built = Path.Combine(folder, "root.erofs");
        var manifest = new ImageManifest(
            recipe.Name, digest, recipe.Key, tools, file, _time.GetUtcNow(), new FileInfo(built).Length,
            packages.Count(character => character == '\n'));

        // Read-only for all: machines of any user share it. The manifest comes last, it makes the image exist.
        File.SetUnixFileMode(built, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        AtomicFile.Write(Sibling(file, ".packages"), Encoding.UTF8.GetBytes(packages));
        File.Move(built, Path.Combine(_folder, file), overwrite: true);
        AtomicFile.Write(Sibling(file, ".json"), JsonSerializer.SerializeToUtf8Bytes(manifest, ImagesJson.Default.ImageManifest));
        return ToImage(manifest);
    }

    private IEnumerable<ImageManifest> Manifests(string name = "*")
    {
        foreach (var path in Directory.EnumerateFiles(_folder, name + "-*.json"))
        {
            ImageManifest? manifest;
            try
            {
                manifest = JsonSerializer.Deserialize(File.ReadAllBytes(path), ImagesJson.Default.ImageManifest);
            }
            catch (Exception e) when (e is JsonException or FileNotFoundException)
            {
                continue;
            }

            if (manifest is null || (name != "*" && manifest.Name != name)) continue;
            if (File.Exists(Path.Combine(_folder, manifest.File))) yield return manifest;
        }
    }

    private RootImage ToImage(ImageManifest manifest) => new(
        manifest.Name, manifest.Digest, Path.Combine(_folder, manifest.File), manifest.Created, manifest.Bytes,
        manifest.PackageCount, IsCurrent(manifest));

    private bool IsCurrent(ImageManifest manifest)
    {
        try
        {
            return _recipes.Load(manifest.Name).Key == manifest.RecipeKey;
        }
        catch (UserException)
        {
            // Its recipe is gone or broken; the image is still there to be listed and removed.
            return false;
        }
    }

    private void Delete(RootImage image)
    {
        var file = Path.GetFileName(image.Path);
        File.Delete(Sibling(file, ".json"));
        File.Delete(image.Path);
        RootFolders.Remove(image.Path);
        File.Delete(Sibling(file, ".packages"));
    }

    private string Sibling(string file, string extension) => Path.Combine(_folder, Path.ChangeExtension(file, extension));
}
