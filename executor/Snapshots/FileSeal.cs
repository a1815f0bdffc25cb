using RunnerVm.Images;

namespace RunnerVm.Snapshots;

/// <summary>
/// How one knows that a file is still as it was. Its digest is the truth and takes time proportional to what is in it; length,
/// times and the host's boot are what is looked at each time. Whoever writes to a file changes its time; a copy, or what a
/// crash of the host left, has another birth or another boot: then the digest decides.
/// </summary>
/// <param name="Modified">Ticks, UTC.</param>
/// <param name="Born">Ticks, UTC.</param>
/// <param name="BootId">Of the host when its digest was last looked at.</param>
/// <param name="Digest">See <see cref="SparseFile.Digest"/>.</param>
internal sealed record FileSeal(long Length, long Modified, long Born, string BootId, string Digest)
{
    public static FileSeal Of(string path) => Look(path) with { Digest = SparseFile.Digest(path) };

    /// <returns>Null when the file is not what was sealed. Another seal than this one where its digest had to be looked at.</returns>
    public FileSeal? Check(string path)
    {
        if (!File.Exists(path)) return null;
        var now = Look(path) with { Digest = Digest };
        if (now == this) return this;
        return now.Length == Length && SparseFile.Digest(path) == Digest ? now : null;
    }

    private static FileSeal Look(string path)
    {
        var file = new FileInfo(path);
        return new(file.Length, file.LastWriteTimeUtc.Ticks, file.CreationTimeUtc.Ticks, HostBoot.Id, "");
    }
}
