using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using RunnerVm.Store;

namespace RunnerVm.Images;

/// <summary>
/// The first file system of every machine: the guest agent as /init, the device nodes it needs before it can mount
/// any, and the kernel's modules. Uncompressed, because unpacking costs the guest more than reading.
/// </summary>
internal sealed class InitramfsStore
{
    private const int FormatVersion = 3;
    private const int Executable = 0b111_101_101;
    private const int Readable = 0b110_100_100;
    private readonly string _folder;
    private readonly TimeProvider _time;

    public InitramfsStore(DataDirectory data, TimeProvider time)
    {
        _folder = data.Kernels;
        _time = time;
    }

    /// <summary>The initramfs of this agent and kernel; written where there is none yet (some 10 ms).</summary>
    /// <param name="agentPath">The guest agent's static binary.</param>
    /// <returns>The cpio's path.</returns>
    public async Task<string> GetAsync(Kernel kernel, string agentPath, CancellationToken cancellationToken)
    {
        var agent = new FileInfo(agentPath);
        if (!agent.Exists)
        {
            throw new UserException(
                ExitCodes.RunnerFailed,
                $"Cannot start a machine: the guest agent {agentPath} is missing. Start runnervm by its launcher ./runnervm, which builds it.");
        }

        var manifest = new InitramfsManifest(FormatVersion, kernel.Path, agent.FullName, agent.Length, agent.LastWriteTimeUtc.Ticks, "");
        var manifestPath = Path.Combine(_folder, $"initramfs-{kernel.Version}.json");
        if (Read(manifestPath) is { } known && known with { File = "" } == manifest && File.Exists(known.File)) return known.File;

        await using var site = await BuildSite.EnterAsync(_folder, "initramfs", () => { }, _time, cancellationToken);
        var temporary = Path.Combine(site.Folder, "initramfs.cpio");
        await using (var output = File.Create(temporary))
        {
            Write(output, await File.ReadAllBytesAsync(agent.FullName, cancellationToken), kernel.Modules);
        }

        var target = Path.Combine(_folder, $"initramfs-{await DigestAsync(temporary, cancellationToken)}.cpio");
        File.Move(temporary, target, overwrite: true);
        AtomicFile.Write(
            manifestPath, JsonSerializer.SerializeToUtf8Bytes(manifest with { File = target }, ImagesJson.Default.InitramfsManifest));
        RemoveOlderThanADay(except: target);
        return target;
    }

    /// <summary>Writes the archive: equal input gives equal bytes.</summary>
    /// <param name="modules">Module files in load order; the archive's modules/order has a line for each: its name, then what it depends on.</param>
    internal static void Write(Stream output, ReadOnlySpan<byte> agent, IReadOnlyList<string> modules)
    {
        var cpio = new CpioWriter(output);
        foreach (var folder in (string[])["dev", "proc", "sys", "run", "modules"]) cpio.AddFolder(folder);
        // .NET looks for /dev/urandom before Main and remembers its absence, so the nodes cannot wait for devtmpfs.
        cpio.AddCharacterDevice("dev/console", 5, 1, 0b110_000_000);
        cpio.AddCharacterDevice("dev/null", 1, 3);
        cpio.AddCharacterDevice("dev/random", 1, 8);
        cpio.AddCharacterDevice("dev/urandom", 1, 9);
        cpio.AddCharacterDevice("dev/kmsg", 1, 11, 0b110_000_000);
        cpio.AddCharacterDevice("dev/ttyS0", 4, 64, 0b110_000_000);
        var names = modules.Select(module => Path.GetFileName(module)).ToList();
        var contents = modules.Select(module => ModuleGraph.WithoutUnwindTables(File.ReadAllBytes(module))).ToList();
        var lines = names.Zip(contents, static (name, content) => string.Join(' ', [name, .. ElfFile.IsX64(content) ? ModuleGraph.Dependencies(content) : []]) + "\n");
        cpio.AddFile("modules/order", Readable, Encoding.ASCII.GetBytes(string.Concat(lines)));
        for (var index = 0; index < modules.Count; index++) cpio.AddFile("modules/" + names[index], Readable, contents[index]);

        cpio.AddFile("init", Executable, agent);
        cpio.Finish();
    }

    private static async Task<string> DigestAsync(string path, CancellationToken cancellationToken)
    {
        await using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancellationToken))[..12];
    }

    private static InitramfsManifest? Read(string path)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), ImagesJson.Default.InitramfsManifest);
        }
        catch (Exception e) when (e is FileNotFoundException or JsonException)
        {
            return null;
        }
    }

    // A machine may be about to open one that was replaced a moment ago; a day later nobody is.
    private void RemoveOlderThanADay(string except)
    {
        var limit = _time.GetUtcNow().UtcDateTime.AddDays(-1);
        foreach (var file in Directory.GetFiles(_folder, "initramfs-*.cpio"))
        {
            if (file != except && File.GetLastWriteTimeUtc(file) < limit) File.Delete(file);
        }
    }
}

/// <summary>
/// What an initramfs was made of. The agent is told by path, length and time rather than by digest: hashing it at
/// every start would cost more than all else here.
/// </summary>
internal sealed record InitramfsManifest(
    int FormatVersion, string KernelPath, string AgentPath, long AgentLength, long AgentTicks, string File);
