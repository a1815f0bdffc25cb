namespace RunnerVm.Images;
internal static class ScratchDisk
{
    public static async Task<string> CreateAsync(string path, long bytes, CancellationToken cancellationToken)
    {
        using (var file = File.Create(path)) file.SetLength(bytes);
        await Tool.RunAsync("mkfs.ext4", ["-q", "-F", "-O", "^has_journal", "-E", "lazy_itable_init=1,nodiscard", "-m", "0", path], new(), cancellationToken);
        return path;
    }
}
