using RunnerVm.Images;

namespace RunnerVm.Snapshots;

/// <summary>
/// How one knows that a file is still as it was. Its digest is the truth and takes time proportional to what is in it; length,
/// times and the host's boot are what is looked at each time. Whoever writes to a file changes its time; a copy, or what a
/// crash of the host left, has another birth or another boot: then the digest decides. It also does once an hour, for what
/// changes no time: a disk that decays, and a hand that sets the time back.
/// </summary>
/// <param name="Modified">Ticks, UTC.</param>
/// <param name="Born">Ticks, UTC.</param>
/// <param name="BootId">Of the host when its digest was last looked at.</param>
/// <param name="Looked">Ticks, UTC: when its digest was last looked at.</param>
/// <param name="Digest">See <see cref="SparseFile.Digest"/>.</param>
internal sealed record FileSeal(long Length, long Modified, long Born, string BootId, long Looked, string Digest)
{
    private static readonly TimeSpan BelievedFor = TimeSpan.FromHours(1);

    public static FileSeal Of(string path, DateTimeOffset now) => Look(path) with { Looked = now.UtcTicks, Digest = SparseFile.Digest(path) };

    /// <returns>Null when the file is not what was sealed. Another seal than this one where its digest had to be looked at.</returns>
    public FileSeal? Check(string path, DateTimeOffset now)
    {
        if (!File.Exists(path)) return null;
        var found = Look(path) with { Looked = Looked, Digest = Digest };
        if (found == this && now.UtcTicks - Looked is >= 0 and var age && age < BelievedFor.Ticks) return this;
        return found.Length == Length && SparseFile.Digest(path) == Digest ? found with { Looked = now.UtcTicks } : null;
    }

    private static FileSeal Look(string path)
    {
        var file = new FileInfo(path);
        return new(file.Length, file.LastWriteTimeUtc.Ticks, file.CreationTimeUtc.Ticks, HostBoot.Id, 0, "");
    }
}
