using Microsoft.Extensions.Time.Testing;
using RunnerVm.Images;
using Xunit;

namespace RunnerVm.Tests.Executor.Images;

public sealed class ImageStoreTests : IDisposable
{
    private readonly Scratch _scratch = new();
    private readonly ImageRecipes _recipes;
    private int _builds;

    public ImageStoreTests()
    {
        ImageRecipesTests.Write(_scratch, "small", "suite: bookworm\npackages: [bash]\n");
        ImageRecipesTests.Write(_scratch, "small-too", "from: small\n");
        _recipes = new(_scratch.Folder);
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task An_image_is_built_once_for_a_recipe_and_again_when_asked_or_changed()
    {
        var store = Store(QuickBuild);
        Assert.Null(store.Find("small"));
        var first = await store.BuildAsync("small", false, new Reports(), Token);
        Assert.Equal(first, await store.BuildAsync("small", false, new Reports(), Token));
        Assert.Equal(1, _builds);
        Assert.Equal("root of small, build 1", await File.ReadAllTextAsync(first.Path, Token));
        Assert.Equal(2, first.PackageCount);

        var second = await store.BuildAsync("small", true, new Reports(), Token);
        Assert.Equal(2, _builds);
        Assert.Equal(second, store.Find("small"));

        ImageRecipesTests.Write(_scratch, "small", "suite: bookworm\npackages: [bash, git]\n");
        await store.BuildAsync("small", false, new Reports(), Token);
        Assert.Equal(3, _builds);
        Assert.Equal([true, false, false], store.List().Select(image => image.IsCurrent));
    }

    [Fact]
    public async Task Two_who_ask_at_once_get_one_build()
    {
        var gate = new TaskCompletionSource();
        Task Slow(ImageRecipe recipe, string folder, IProgress<BuildProgress> progress, CancellationToken token) =>
            gate.Task.ContinueWith(_ => QuickBuild(recipe, folder, progress, token), token, TaskContinuationOptions.None, TaskScheduler.Default).Unwrap();

        var waiting = new Reports();
        var first = Store(Slow).BuildAsync("small", false, new Reports(), Token);
        var second = Store(Slow).BuildAsync("small", false, waiting, Token);
        Assert.Contains("waiting", Assert.Single(waiting.All).Text, StringComparison.Ordinal);
        gate.SetResult();
        Assert.Equal((await first).Path, (await second).Path);
        Assert.Equal(1, _builds);
    }

    [Fact]
    public async Task A_build_that_fails_or_was_killed_leaves_nothing_after_the_next()
    {
        var images = _scratch.Data.Images;
        var store = Store((_, folder, _, _) =>
        {
            File.WriteAllText(Path.Combine(folder, "root.erofs"), "half");
            throw new UserException(1, "the archive is away");
        });
        await Assert.ThrowsAsync<UserException>(() => store.BuildAsync("small", false, new Reports(), Token));
        Assert.Null(store.Find("small"));
        Assert.Empty(Directory.GetDirectories(images));

        // As a builder leaves it that was killed: a folder nobody has locked.
        var stale = Directory.CreateDirectory(Path.Combine(images, ".building-small", "mmdebstrap.x")).FullName;
        File.WriteAllText(Path.Combine(stale, "file"), "half");
        await Store(QuickBuild).BuildAsync("small", false, new Reports(), Token);
        Assert.Empty(Directory.GetDirectories(images));

        Directory.CreateDirectory(Path.Combine(images, ".building-gone"));
        await BuildSite.SweepAsync(images, Token);
        Assert.Empty(Directory.GetDirectories(images));
    }

    [Fact]
    public async Task A_sweep_leaves_a_running_build_alone()
    {
        await using var site = await BuildSite.EnterAsync(_scratch.Data.Images, "busy", () => { }, TimeProvider.System, Token);
        await BuildSite.SweepAsync(_scratch.Data.Images, Token);
        Assert.True(Directory.Exists(site.Folder));
    }

    [Fact]
    public async Task Prune_keeps_what_recipes_use_and_remove_takes_all_of_a_name()
    {
        var time = new FakeTimeProvider();
        var store = new ImageStore(_scratch.Data, _recipes, time, QuickBuild);
        var old = await store.BuildAsync("small", false, new Reports(), Token);
        time.Advance(TimeSpan.FromDays(1));
        var current = await store.BuildAsync("small", true, new Reports(), Token);
        var other = await store.BuildAsync("small-too", false, new Reports(), Token);
        var pruned = await store.PruneAsync(Token);
        Assert.Equal(old.Path, Assert.Single(pruned).Path);
        Assert.False(File.Exists(old.Path));
        Assert.Equal([current.Path, other.Path], store.List().Select(image => image.Path));

        store.Remove("small");
        Assert.Equal(other.Path, Assert.Single(store.List()).Path);
        Assert.Throws<UserException>(() => store.Remove("small"));
    }

    [Fact]
    public void Sources_are_the_hosts_own_of_that_release_and_of_debian()
    {
        const string targets = """
            Debian|http://mirror.example/debian/|bookworm|main
            Debian|http://mirror.example/debian/|bookworm-updates|main
            Debian|http://mirror.example/debian/|bookworm-backports|main
            Docker|https://download.example/linux/debian/|bookworm|stable
            Shady|https://shady.example/debian/|bookworm|main
            """;
        Assert.Equal(
            ["deb http://mirror.example/debian bookworm main", "deb http://mirror.example/debian bookworm-updates main"],
            AptSources.FromIndexTargets(targets, "bookworm"));
        Assert.Contains("deb http://deb.debian.org/debian trixie main", AptSources.FromIndexTargets(targets, "trixie"));
    }

    [Fact]
    public void Progress_rises_from_the_first_line_to_the_last()
    {
        var reports = new Reports();
        var progress = new BootstrapProgress("image x", reports);
        string[] lines =
        [
            "I: running apt-get update...", "I: downloading packages with apt...", "0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.",
            "Get:1 http://a b", "Get:2 http://a c", "I: extracting archives...", "I: installing essential packages...", "Setting up b (1) ...",
            "I: installing remaining packages inside the chroot...", "0 upgraded, 1 newly installed, 0 to remove", "Get:1 x", "Unpacking d (2) ...",
            "Setting up d (2) ...", "I: running --customize-hook in shell: sh", "I: cleaning package lists and apt cache...",
        ];
        foreach (var line in lines) progress.OnLine(line);
        var fractions = reports.All.Select(report => report.Fraction!.Value).ToList();
        Assert.Equal(fractions.Order(), fractions);
        Assert.Equal(0.97, fractions[^1]);
        Assert.Contains(reports.All, report => report.Text == "installing packages");
    }

    /// <summary>The real thing: a minute of two cores and the network, so with --soak only; every run of a job uses its result.</summary>
    [Fact]
    public async Task The_default_image_is_built_by_mmdebstrap()
    {
        if (Environment.GetEnvironmentVariable("RUNNERVM_SOAK") != "1") Assert.Skip("takes a minute and the network: tests/run --soak");
        var recipes = new ImageRecipes(InstallLayout.Find(null, AppContext.BaseDirectory).JobImages);
        var reports = new Reports();
        var image = await new ImageStore(_scratch.Data, recipes, TimeProvider.System).BuildAsync("debian-12", false, reports, Token);
        Assert.InRange(image.Bytes, 30_000_000, 150_000_000);
        Assert.InRange(image.PackageCount, 80, 200);
        Assert.Contains(reports.All, report => report.Text == "installing packages");
        var superblock = (await File.ReadAllBytesAsync(image.Path, Token)).AsSpan(1024, 4).ToArray();
        Assert.Equal([0xe2, 0xe1, 0xf5, 0xe0], superblock);
        Assert.Equal(3, Directory.GetFileSystemEntries(_scratch.Data.Images).Count(path => Path.GetFileName(path)[0] != '.'));
    }

    private Task QuickBuild(ImageRecipe recipe, string folder, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        var build = Interlocked.Increment(ref _builds);
        File.WriteAllText(Path.Combine(folder, "packages"), $"bash 5.2\nbuild {build}\n");
        File.WriteAllText(Path.Combine(folder, "root.erofs"), $"root of {recipe.Name}, build {build}");
        return Task.CompletedTask;
    }

    private ImageStore Store(ImageStore.BuildStep build) => new(_scratch.Data, _recipes, TimeProvider.System, build);
}
