using RunnerVm.Images;
using RunnerVm.Store;

namespace RunnerVm.Tests.Lab;

/// <summary>What a lab is made of, each built once on this host: some of it takes a minute the first time.</summary>
/// <param name="KernelFolder">See <see cref="LabKernel"/>; the kernel of both levels.</param>
/// <param name="LabRoot">Root image of the lab's machine.</param>
/// <param name="GuestRoot">Root image for guests inside (debian-12).</param>
/// <param name="Initramfs">The agent's, for both levels.</param>
/// <param name="TestGuest">Initramfs of test guests, see <see cref="LabGuest"/>.</param>
/// <param name="Programs">Our programs, as built now.</param>
/// <param name="Recipes">The repository's job-images.</param>
internal sealed record LabFiles(
    string KernelFolder, string LabRoot, string GuestRoot, string Initramfs, string TestGuest, IReadOnlyList<string> Programs, string Recipes)
{
    public string Vmlinux => Path.Combine(KernelFolder, "vmlinux");

    /// <exception cref="UserException">Something could not be built; says what and what to do.</exception>
    public static async Task<LabFiles> PrepareAsync(
        LabPlaces places, IProgress<BuildProgress> progress, CancellationToken cancellationToken)
    {
        var labRoot = new ImageStore(places.Data, new ImageRecipes(places.Images), TimeProvider.System).BuildAsync("lab", refresh: false, progress, cancellationToken);
        var guestRoot = new ImageStore(places.HostData, new ImageRecipes(places.Layout.JobImages), TimeProvider.System)
            .BuildAsync("debian-12", refresh: false, progress, cancellationToken);
        var kernelFolder = LabKernel.GetAsync(places.Data, progress, cancellationToken);
        await Task.WhenAll(labRoot, guestRoot, kernelFolder);

        var kernel = new KernelStore(places.Data, TimeProvider.System).Current!;
        var initramfs = await new InitramfsStore(places.Data, TimeProvider.System).GetAsync(kernel, places.Layout.GuestAgent, cancellationToken);
        var programs = Directory.GetFiles(places.Layout.Programs, "runnervm*").Order(StringComparer.Ordinal).ToList();
        var testGuest = await LabGuest.GetAsync(await kernelFolder, places.GuestSource, cancellationToken);
        return new(await kernelFolder, (await labRoot).Path, (await guestRoot).Path, initramfs, testGuest, programs, places.Layout.JobImages);
    }
}

/// <summary>Folders the lab works with.</summary>
/// <param name="Data">The lab's own data directory, <c>lab</c> in the host's: images, kernels, running machines.</param>
/// <param name="HostData">The host's ordinary one; images for guests are shared with it.</param>
/// <param name="Layout">Where our programs and recipes are.</param>
/// <param name="Images">Recipes of the lab's own images.</param>
/// <param name="GuestSource">The test guest's init.c.</param>
internal sealed record LabPlaces(DataDirectory Data, DataDirectory HostData, InstallLayout Layout, string Images, string GuestSource)
{
    public static LabPlaces FromEnvironment()
    {
        var root = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(root, "RunnerVm.sln")))
            root = Path.GetDirectoryName(root) ?? throw new InvalidOperationException("the lab does not run below the repository");
        var host = DataDirectory.FromEnvironment();
        var layout = new InstallLayout(Path.Combine(root, ".build", "programs"), Path.Combine(root, "job-images"));
        return new(new(Path.Combine(host.Root, "lab")), host, layout, Path.Combine(root, "tests", "lab", "images"), Path.Combine(root, "tests", "lab", "guest", "init.c"));
    }
}
