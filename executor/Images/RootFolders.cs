namespace RunnerVm.Images;

/// <summary>
/// Root images as folders, for engines that start no kernel to mount them: each unpacked once, beside its image and named
/// by the same digest (<c>images/NAME-DIGEST.root</c>), shared by all sandboxes and written to by none.
/// </summary>
internal sealed class RootFolders(TimeProvider time)
{
    /// <summary>The folder of an image; unpacked first where there is none.</summary>
    /// <exception cref="UserException">It could not be unpacked.</exception>
    public async Task<string> GetAsync(RootImage image, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        var folder = PathOf(image.Path);
        if (Directory.Exists(folder)) return folder;
        var (store, name) = (Path.GetDirectoryName(folder)!, Path.GetFileName(folder));
        var what = $"image {image.Name} as a folder";
        await using var site = await BuildSite.EnterAsync(
            store, name, () => progress.Report(new(what, null, "another runnervm is unpacking it, waiting")), time, cancellationToken);
        if (Directory.Exists(folder)) return folder;

        progress.Report(new(what, 0, "unpacking"));
        var unpacked = Path.Combine(site.Folder, "root");
        await Tool.RunAsync("fsck.erofs", [$"--extract={unpacked}", image.Path], new() { Attempt = $"unpack {image.Path}" }, cancellationToken);
        Directory.Move(unpacked, folder);
        progress.Report(new(what, 1, "ready"));
        return folder;
    }

    /// <summary>Removes the folder of an image that goes.</summary>
    public static void Remove(string imagePath)
    {
        var folder = PathOf(imagePath);
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
    }

    private static string PathOf(string imagePath) => Path.ChangeExtension(imagePath, ".root");
}
