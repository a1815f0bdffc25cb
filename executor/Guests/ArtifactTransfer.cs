using RunnerVm.Jobs;
using RunnerVm.Logs;
using RunnerVm.Store;

namespace RunnerVm.Guests;

/// <summary>Brings a job's artifacts out of the guest into a new folder of the host.</summary>
internal sealed class ArtifactTransfer(GuestSession guest, JobLog log, JobHost host)
{
    private const int MaxEntries = 1_000_000;

    /// <exception cref="GuestFailedException">The guest could not pack them.</exception>
    /// <exception cref="GuestProtocol.ProtocolException">What came is not an archive of ours, or breaks its bounds.</exception>
    public async Task ReceiveAsync(Job job, ArtifactRequest request, string guestPath, CancellationToken cancellationToken)
    {
        var target = host.ArtifactFolder(job);
        var parent = Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(target))!);
        var folder = new ArtifactFolder(target, new(HostRoom.Bytes(parent.FullName, job.Machine.DiskBytes), MaxEntries));
        await using var transfer = log.BeginTransfer("artifacts", null);

        ArtifactFolder.Contents? contents = null;
        var result = await guest.ReceiveTarAsync(
            new() { Path = guestPath, Include = [.. request.Paths], Exclude = [.. request.Exclude] },
            async tar => contents = await folder.UnpackAsync(tar, transfer.Report, cancellationToken),
            cancellationToken);
        await transfer.FinishAsync(contents!.Bytes);

        foreach (var pattern in result.Unmatched.Take(20)) await log.NoticeAsync($"Artifacts: nothing matches '{UntrustedText.Line(pattern)}'.");
        if (contents.LinksLeftOut > 0) await log.NoticeAsync($"Artifacts: {contents.LinksLeftOut} symbolic links point outside the artifacts and were left out.");
        await log.ArtifactsStoredAsync(target, contents.Entries, contents.Bytes);
    }
}
