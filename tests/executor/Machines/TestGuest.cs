using CliWrap;
using RunnerVm.Jobs;
using RunnerVm.Machines;
using RunnerVm.Store;
using Xunit;

namespace RunnerVm.Tests.Executor.Machines;

/// <summary>A folder with all a machine needs, around the freestanding kernel in guest.c.</summary>
internal sealed class TestGuest : IDisposable
{
    private static readonly SemaphoreSlim Building = new(1);

    private TestGuest(string folder) => Folder = folder;

    /// <summary>Short, for the sockets in it.</summary>
    public string Folder { get; }

    public string Kernel => Path.Combine(Folder, "guest.elf");

    public string Scratch => Path.Combine(Folder, "scratch");

    public string Run => Path.Combine(Folder, "run");

    public DataDirectory Data => new(Path.Combine(Folder, "data"));

    public static string SourceFolder => Path.Combine(RepositoryRoot(), "tests", "executor", "Machines");

    public static async Task<TestGuest> CreateAsync()
    {
        if (ProgramSearch.Find("gcc") is null) Assert.Skip("gcc is not installed; the test guest is C.");
        if (ProgramSearch.Find("qemu-system-x86_64") is null) Assert.Skip("qemu-system-x86_64 is not installed.");
        var guest = new TestGuest(Directory.CreateTempSubdirectory("rv").FullName);
        Directory.CreateDirectory(guest.Run);
        await File.WriteAllBytesAsync(Path.Combine(guest.Folder, "initramfs"), new byte[512]);
        await File.WriteAllBytesAsync(Path.Combine(guest.Folder, "root, image"), new byte[1 << 20]);
        using (var scratch = File.Create(guest.Scratch)) scratch.SetLength(1 << 30);
        File.Copy(await BuildAsync(), guest.Kernel);
        return guest;
    }

    /// <param name="does">One of the words in guest.c.</param>
    public MachineSpec Spec(string does) => new()
    {
        Id = "t1",
        RunDirectory = Run,
        KernelPath = Kernel,
        InitramfsPath = Path.Combine(Folder, "initramfs"),
        RootImagePath = Path.Combine(Folder, "root, image"),
        ScratchDiskPath = Scratch,
        Cpus = 1,
        MemoryMib = 128,
        KernelArguments = [$"guest={does}"],
    };

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    private static async Task<string> BuildAsync()
    {
        var elf = Path.Combine(AppContext.BaseDirectory, "guest.elf");
        await Building.WaitAsync();
        try
        {
            var source = Path.Combine(SourceFolder, "guest.c");
            if (File.GetLastWriteTimeUtc(elf) < File.GetLastWriteTimeUtc(source))
                await Cli.Wrap("gcc").WithArguments([
                    "-m32", "-ffreestanding", "-nostdlib", "-static", "-no-pie", "-fno-pic", "-fno-stack-protector", "-Os",
                    "-Wl,-Ttext-segment=0x100000,-e,start", "-o", elf, source,
                ]).ExecuteAsync();
        }
        finally
        {
            Building.Release();
        }

        return elf;
    }

    private static string RepositoryRoot()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "RunnerVm.sln")))
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("The tests are not in the repository.");
        return folder;
    }
}
