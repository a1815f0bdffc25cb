using RunnerVm.Jobs;
using RunnerVm.Logs;

namespace RunnerVm.Guests;

/// <summary>Copies a host folder into the guest and shows how far it is.</summary>
internal sealed class WorkspaceTransfer(GuestSession guest, JobLog log)
{
    /// <exception cref="UserException">The folder cannot be read.</exception>
    /// <exception cref="GuestFailedException">The guest could not unpack it.</exception>
    public async Task SendAsync(Workspace workspace, string guestPath, CancellationToken cancellationToken)
    {
        var files = await WorkspaceFiles.ListAsync(workspace, cancellationToken);
        if (files.Count == 0) return;
        var archive = new WorkspaceArchive(workspace.Path, files);
        await using var transfer = log.BeginTransfer($"workspace ({files.Count} files)", archive.MeasureBytes());
        var result = await guest.SendTarAsync(guestPath, target => archive.WriteAsync(target, transfer.Report, cancellationToken), cancellationToken);
        await transfer.FinishAsync(result.Bytes);
    }
}
