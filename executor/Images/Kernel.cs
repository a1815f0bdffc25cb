namespace RunnerVm.Images;

/// <summary>An uncompressed ELF kernel and the modules a machine of ours needs beside it.</summary>
/// <param name="Version">Its release and package version, or the file's name for one that was given.</param>
/// <param name="Path">The ELF file.</param>
/// <param name="Modules">Uncompressed module files in load order; empty where everything is built in.</param>
internal sealed record Kernel(string Version, string Path, IReadOnlyList<string> Modules)
{
    /// <summary>
    /// A kernel somebody named in the job file. No module of ours can match it, so it must have the drivers built in.
    /// </summary>
    /// <exception cref="UserException">There is no such file, or it is not an x86-64 ELF file.</exception>
    public static Kernel FromFile(string path)
    {
        path = System.IO.Path.GetFullPath(path);
        if (!File.Exists(path))
        {
            throw new UserException(ExitCodes.BadFile, $"Cannot use the kernel {path}: there is no such file.");
        }

        Span<byte> header = stackalloc byte[20];
        using var file = File.OpenRead(path);
        var length = file.ReadAtLeast(header, header.Length, throwOnEndOfStream: false);
        if (!ElfFile.IsX64(header[..length]))
        {
            throw new UserException(
                ExitCodes.BadFile,
                $"Cannot use the kernel {path}: it is not an uncompressed x86-64 ELF file (vmlinux). "
                + "A bzImage or vmlinuz must be unpacked first, for example by the kernel source's scripts/extract-vmlinux.");
        }

        return new(System.IO.Path.GetFileName(path), path, []);
    }
}
