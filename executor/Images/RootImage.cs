namespace RunnerVm.Images;

/// <summary>A built root image: one compressed read-only file shared by all machines.</summary>
/// <param name="Name">The recipe it was built from.</param>
/// <param name="Digest">SHA-256 over all that went in: recipe, builder, tools, packages with versions.</param>
/// <param name="Path">The erofs file.</param>
/// <param name="Bytes">Its size on the host's disk.</param>
/// <param name="PackageCount">Debian packages in it.</param>
/// <param name="IsCurrent">It is what its recipe, as it stands now, would give.</param>
internal sealed record RootImage(
    string Name, string Digest, string Path, DateTimeOffset Created, long Bytes, int PackageCount, bool IsCurrent);

/// <summary>What lies beside an image as JSON.</summary>
/// <param name="RecipeKey">See <see cref="ImageRecipe.Key"/>.</param>
/// <param name="Tools">The builder's tools with their versions.</param>
/// <param name="File">The image's file name; the list of its packages has the same with ".packages".</param>
internal sealed record ImageManifest(
    string Name, string Digest, string RecipeKey, IReadOnlyList<string> Tools, string File, DateTimeOffset Created, long Bytes, int PackageCount);
