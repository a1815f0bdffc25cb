using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using CliWrap;

namespace RunnerVm.Images;

/// <summary>
/// The modules of an unpacked kernel package: which ones a machine needs, and in which order they load. Dependencies
/// come from the modules themselves (the .modinfo section), since packages leave modules.dep to the machine they are
/// installed on.
/// </summary>
internal sealed class ModuleGraph
{
    /// <summary>What a machine cannot do without: its disks, its stream, its file systems.</summary>
    private static readonly string[] Needed = ["virtio_mmio", "virtio_blk", "virtio_console", "erofs", "ext4", "overlay"];

    /// <summary>
    /// Taken where the package has them: the stream of engines that have vsock, a checksum erofs and ext4 ask the crypto layer for by name, the interface egress
    /// hangs its routes on, local and raw sockets.
    /// </summary>
    private static readonly string[] Wanted = ["vmw_vsock_virtio_transport", "crc32c_generic", "dummy", "unix", "af_packet"];

    private readonly Dictionary<string, string> _files;
    private readonly HashSet<string> _builtIn;

    /// <param name="folder">lib/modules/RELEASE of the package.</param>
    public ModuleGraph(string folder)
    {
        _files = Directory.EnumerateFiles(folder, "*.ko*", SearchOption.AllDirectories)
            .GroupBy(NameOf)
            .ToDictionary(group => group.Key, group => group.Order(StringComparer.Ordinal).First());
        _builtIn = [.. File.ReadLines(Path.Combine(folder, "modules.builtin")).Select(NameOf)];
    }

    /// <summary>Identifies the choice made here, so that a store filled by an older program is filled anew.</summary>
    public static string Choice => string.Join(' ', ["unsigned:", .. Wanted, .. Needed]);

    /// <summary>Writes each module a machine needs, uncompressed, to a folder as NNN-name.ko.</summary>
    /// <returns>The files' names in load order.</returns>
    /// <exception cref="UserException">A module the machine cannot do without is missing.</exception>
    public async Task<IReadOnlyList<string>> WriteToAsync(string target, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(target);
        var order = new List<string>();
        var seen = new HashSet<string>();
        foreach (var name in Wanted) await VisitAsync(name, required: false);
        foreach (var name in Needed) await VisitAsync(name, required: true);
        return order;

        async Task VisitAsync(string name, bool required)
        {
            if (!seen.Add(name) || _builtIn.Contains(name)) return;
            if (!_files.TryGetValue(name, out var file))
            {
                if (!required) return;
                throw new UserException(
                    ExitCodes.Failed,
                    $"Cannot use the kernel package: the module {name}, which every machine needs, is neither in it nor built in.");
            }

            var content = await ReadAsync(file, cancellationToken);
            foreach (var dependency in Dependencies(content)) await VisitAsync(dependency, required);
            var fileName = $"{order.Count:d3}-{name}.ko";
            await File.WriteAllBytesAsync(Path.Combine(target, fileName), WithoutSignature(content), cancellationToken);
            order.Add(fileName);
        }
    }

    internal static string NameOf(string path)
    {
        var file = Path.GetFileName(path);
        var end = file.IndexOf(".ko", StringComparison.Ordinal);
        return (end < 0 ? file : file[..end]).Replace('-', '_');
    }

    /// <summary>The "depends" of a module's .modinfo, which is a row of NUL-ended "key=value".</summary>
    internal static IEnumerable<string> Dependencies(ReadOnlySpan<byte> module) => Encoding.ASCII
        .GetString(ElfFile.Section(module, ".modinfo"))
        .Split('\0')
        .Where(entry => entry.StartsWith("depends=", StringComparison.Ordinal))
        .SelectMany(entry => entry["depends=".Length..].Split(',', StringSplitOptions.RemoveEmptyEntries))
        .Select(NameOf);

    /// <summary>
    /// The module without the signature Debian appends. A machine's modules come from a package apt has verified, and
    /// nobody else can write the initramfs; checking nine signatures again costs every boot 80 ms on a software CPU.
    /// </summary>
    internal static byte[] WithoutSignature(byte[] module)
    {
        // kernel/module/signing.c: signature, twelve bytes that end in its length (big-endian), the marker.
        var marker = "~Module signature appended~\n"u8;
        if (!module.AsSpan().EndsWith(marker)) return module;
        var information = module.Length - marker.Length - 12;
        if (information < 0) return module;
        var start = information - (long)BinaryPrimitives.ReadUInt32BigEndian(module.AsSpan(information + 8));
        return start > 0 ? module[..(int)start] : module;
    }

    /// <summary>
    /// The module with its ORC unwind tables hidden (Documentation/x86/orc-unwinder.rst). The kernel sorts them when it
    /// loads the module, a tenth of the agent's instructions to the first step, and looks at them when it prints a
    /// stack trace, in which functions of modules then carry a question mark.
    /// </summary>
    internal static byte[] WithoutUnwindTables(byte[] module)
    {
        if (!ElfFile.IsX64(module)) return module;
        ElfFile.HideSection(module, ".orc_unwind");
        ElfFile.HideSection(module, ".orc_unwind_ip");
        return module;
    }

    private static async Task<byte[]> ReadAsync(string file, CancellationToken cancellationToken)
    {
        if (file.EndsWith(".ko", StringComparison.Ordinal)) return await File.ReadAllBytesAsync(file, cancellationToken);
        using var content = new MemoryStream();
        if (file.EndsWith(".gz", StringComparison.Ordinal))
        {
            await using var gzip = new GZipStream(File.OpenRead(file), CompressionMode.Decompress);
            await gzip.CopyToAsync(content, cancellationToken);
        }
        else
        {
            var run = new ToolRun { Attempt = $"unpack the kernel module {file}", Output = PipeTarget.ToStream(content) };
            await Tool.RunAsync(file.EndsWith(".zst", StringComparison.Ordinal) ? "zstd" : "xz", ["-d", "-c", file], run, cancellationToken);
        }

        return content.ToArray();
    }
}
