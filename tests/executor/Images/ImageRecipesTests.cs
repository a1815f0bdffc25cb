using RunnerVm.Images;
using Xunit;

namespace RunnerVm.Tests.Executor.Images;

public sealed class ImageRecipesTests
{
    [Fact]
    public void A_recipe_inherits_suite_packages_and_run_lines()
    {
        using var scratch = new Scratch();
        Write(scratch, "base", "suite: bookworm\npackages: [git, bash]\nrun: [one]\n");
        Write(scratch, "child", "from: base\npackages: [nodejs, bash]\nrun: [two]\n");
        var recipe = new ImageRecipes(scratch.Folder).Load("child");
        Assert.Equal("bookworm", recipe.Suite);
        Assert.Equal(["bash", "git", "nodejs"], recipe.Packages);
        Assert.Equal(["one", "two"], recipe.Run);
    }

    [Fact]
    public void Order_and_repetition_of_packages_do_not_change_the_key_but_a_package_does()
    {
        using var scratch = new Scratch();
        Write(scratch, "a", "suite: bookworm\npackages: [git, bash]\n");
        Write(scratch, "b", "suite: bookworm\npackages: [bash, git, bash]\n");
        Write(scratch, "c", "suite: bookworm\npackages: [bash, git, curl]\n");
        var recipes = new ImageRecipes(scratch.Folder);
        Assert.Equal(recipes.Load("a").Key, recipes.Load("b").Key);
        Assert.NotEqual(recipes.Load("a").Key, recipes.Load("c").Key);
    }

    [Theory]
    [InlineData("debian-21", "Did you mean debian-12?")]
    [InlineData("debian-12-nod", "Did you mean debian-12-node?")]
    [InlineData("../../etc", "Images: debian-12, debian-12-node, github-runner")]
    [InlineData("fedora-rawhide", "Images: debian-12, debian-12-node, github-runner")]
    public void An_unknown_name_is_answered_with_the_nearest_and_the_list(string name, string expected)
    {
        var recipes = new ImageRecipes(InstallLayout.Find(null, AppContext.BaseDirectory).JobImages);
        var error = Assert.Throws<UserException>(() => recipes.Load(name));
        Assert.Equal(ExitCodes.BadFile, error.ExitCode);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("suite: bookworm\npackges: [git]\n", "image.yml:2:1", "unknown key \"packges\"")]
    [InlineData("packages: [git]\n", "image.yml", "neither \"suite\"")]
    [InlineData("suite: bookworm\npackages: git\n", "image.yml:2:11", "must be a list")]
    [InlineData("suite: bookworm\npackages: [--option]\n", "image.yml:2:12", "not a package's name")]
    [InlineData("suite: -x\n", "image.yml:1:8", "not a release's code name")]
    [InlineData("- git\n", "image.yml", "not a list of keys")]
    [InlineData("suite: [\n", "image.yml:2:1", "Cannot read")]
    [InlineData("from: wrong\n", "image.yml", "inherits from itself")]
    [InlineData("from: absent\n", "absent", "from which wrong inherits")]
    public void A_wrong_recipe_is_told_with_file_line_column_and_reason(string yaml, string place, string reason)
    {
        using var scratch = new Scratch();
        Write(scratch, "wrong", yaml);
        var error = Assert.Throws<UserException>(() => new ImageRecipes(scratch.Folder).Load("wrong"));
        Assert.Contains(place, error.Message, StringComparison.Ordinal);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_recipe_we_ship_is_right()
    {
        var recipes = new ImageRecipes(InstallLayout.Find(null, AppContext.BaseDirectory).JobImages);
        Assert.Contains("debian-12", recipes.Names);
        Assert.Contains("npm", recipes.Load("debian-12-node").Packages);
        foreach (var name in recipes.Names) Assert.NotEmpty(recipes.Load(name).Packages);
    }

    internal static void Write(Scratch scratch, string name, string yaml)
    {
        Directory.CreateDirectory(scratch[name]);
        File.WriteAllText(Path.Combine(scratch[name], "image.yml"), yaml);
    }
}
