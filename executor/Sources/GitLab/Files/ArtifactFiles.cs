using System.IO.Compression;
using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Sources.GitLab.Wire;
using RunnerVm.Store;

namespace RunnerVm.Sources.GitLab.Files;

/// <param name="FileName">As it is shown and downloaded.</param>
/// <param name="Format">Empty (zip), <c>zip</c>, <c>gzip</c> or <c>raw</c>.</param>
internal sealed record UploadOrder(string FileName, string? Format, string? Type, string? ExpireIn, CompressionLevel Level);

/// <param name="Files">0: nothing was uploaded.</param>
/// <param name="Unmatched">Patterns nothing came of; the guest's word.</param>
internal sealed record Uploaded(int Files, long Bytes, IReadOnlyList<string> Unmatched);

/// <summary>
/// Files between a guest and GitLab, by way of a file of the host that has no name once it is open: an upload that is
/// tried again must find its bytes, and a killed runner must leave none.
/// </summary>
/// <param name="folder">The run's own: what a killed runner leaves in it goes with it.</param>
/// <param name="machineDisk">No archive of a machine's is larger than its disk.</param>
internal sealed class ArtifactFiles(JobConnection server, GuestSession guest, string folder, long machineDisk)
{
    private readonly long _mostBytes = HostRoom.Bytes(folder, machineDisk);

    /// <exception cref="GitLabTransferException">GitLab did not take it.</exception>
    /// <exception cref="GuestFailedException">The guest could not pack it.</exception>
    /// <exception cref="ReportException">The files do not make such a report.</exception>
    /// <exception cref="ProtocolException">What came is not an archive of ours, or is too much.</exception>
    public async Task<Uploaded> UploadAsync(UploadOrder order, TarOutRequest chosen, CancellationToken cancellationToken)
    {
        await using var file = Nameless();
        var files = 0;
        var result = await guest.ReceiveTarAsync(chosen, async tar => files = await PackAsync(order, tar, file, cancellationToken), cancellationToken);
        if (files == 0) return new(0, 0, result.Unmatched);

        await server.UploadArtifactsAsync(new(order.FileName, order.Format, order.Type, order.ExpireIn, async (target, token) =>
        {
            file.Position = 0;
            await file.CopyToAsync(target, token);
        }), cancellationToken);
        return new(files, file.Length, result.Unmatched);
    }

    /// <returns>Files that went into the guest.</returns>
    /// <exception cref="GitLabTransferException">GitLab did not hand it out.</exception>
    /// <exception cref="BadArchiveException">It is not unpacked.</exception>
    /// <exception cref="GuestFailedException">The guest could not unpack it.</exception>
    public async Task<long> DownloadAsync(long ofJob, string token, string guestFolder, CancellationToken cancellationToken)
    {
        var path = Path.Join(folder, $"download-{Guid.NewGuid():n}");
        try
        {
            await server.DownloadArtifactsAsync(ofJob, token, (body, read) => KeepAsync(body, path, read), cancellationToken);
            var archive = new DependencyArchive(path, machineDisk);
            return (await guest.SendTarAsync(guestFolder, target => archive.WriteTarAsync(target, cancellationToken), cancellationToken)).Files;
        }
        finally
        {
            File.Delete(path);
        }
    }

    private Task<int> PackAsync(UploadOrder order, Stream tar, FileStream file, CancellationToken cancellationToken)
    {
        var budget = new ArchiveBudget(_mostBytes, ArchiveBudget.MostEntries);
        return order.Format switch
        {
            "gzip" => ReportFiles.WriteGzipAsync(tar, file, order.Level, budget, cancellationToken),
            "raw" => ReportFiles.WriteRawAsync(tar, file, budget, cancellationToken),
            null or "" or "zip" => ArtifactZip.WriteAsync(tar, file, order.Level, budget, cancellationToken),
            _ => throw new ReportException($"this runner makes zip, gzip and raw files, and GitLab asks for {UntrustedText.Line(order.Format)}."),
        };
    }

    private async Task KeepAsync(Stream body, string path, CancellationToken cancellationToken)
    {
        await using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0, useAsync: true);
        var buffer = new byte[128 * 1024];
        long total = 0;
        for (int read; (read = await body.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            if ((total += read) > _mostBytes) throw new BadArchiveException($"it is larger than the {_mostBytes >> 20} MiB this host or the machine's disk has room for");
            await file.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
        }
    }

    private FileStream Nameless()
    {
        var path = Path.Join(folder, $"upload-{Guid.NewGuid():n}");
        var file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, bufferSize: 64 * 1024, useAsync: true);
        File.Delete(path);
        return file;
    }
}
