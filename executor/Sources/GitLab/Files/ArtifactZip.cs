using System.IO.Compression;
using RunnerVm.GuestProtocol;
using RunnerVm.Guests;

namespace RunnerVm.Sources.GitLab.Files;

/// <summary>Turns a guest's archive into the zip GitLab wants: modes kept, links as links, folders as entries.</summary>
internal static class ArtifactZip
{
    private const int FileType = 0x8000;
    private const int FolderType = 0x4000;
    private const int LinkType = 0xA000;

    private static readonly DateTimeOffset Earliest = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset Latest = new(2107, 12, 31, 0, 0, 0, TimeSpan.Zero);

    /// <returns>Files and links in it; an archive of none is for nobody.</returns>
    /// <exception cref="ProtocolException">What came is not an archive of ours, or is too much.</exception>
    public static async Task<int> WriteAsync(Stream tar, Stream zip, CompressionLevel level, ArchiveBudget budget, CancellationToken cancellationToken)
    {
        var files = 0;
        var archive = new GuestArchive(tar);
        using var target = new ZipArchive(zip, ZipArchiveMode.Create, leaveOpen: true);
        while (await archive.NextAsync(cancellationToken) is { } entry)
        {
            budget.Take(entry);
            if (entry.Name == ".") continue;
            var made = target.CreateEntry(entry.Type == '5' ? entry.Name + "/" : entry.Name, entry.Type == '0' ? level : CompressionLevel.NoCompression);
            made.LastWriteTime = entry.Modified < Earliest ? Earliest : entry.Modified > Latest ? Latest : entry.Modified;
            made.ExternalAttributes = (int)((uint)(Type(entry) | (int)entry.Mode) << 16) | (entry.Type == '5' ? 0x10 : 0);
            if (entry.Type == '5') continue;
            files++;
            await using var content = made.Open();
            if (entry.Type == '2') await content.WriteAsync(System.Text.Encoding.UTF8.GetBytes(entry.Target), cancellationToken);
            else await archive.Content.CopyToAsync(content, cancellationToken);
        }

        return files;
    }

    private static int Type(GuestArchiveEntry entry) => entry.Type switch
    {
        '5' => FolderType,
        '2' => LinkType,
        _ => FileType,
    };
}
