using RunnerVm.GuestProtocol;
using RunnerVm.Guests;
using RunnerVm.Images;
using RunnerVm.Jobs;
using RunnerVm.Leases;
using RunnerVm.Machines;

namespace RunnerVm.Snapshots;

/// <summary>
/// Makes a snapshot: a machine of its own is booted, made ready but for what differs from job to job, and laid down. It never
/// runs a job, so nothing of one can be in it.
/// </summary>
internal sealed class SnapshotMaker(SnapshotStore store, RunLedger ledger, ScratchDisks disks, TimeProvider time)
{
    private const string SiteName = "snapshot";
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    /// <summary>Beside what its files take, so much of the disk is left to others.</summary>
    private const long SpareBytes = 1L << 30;

    /// <returns>The snapshot; another maker's when that was quicker.</returns>
    /// <exception cref="MachineException">The machine did not start, wake up or lie down.</exception>
    /// <exception cref="GuestFailedException">Its agent could not make it ready.</exception>
    /// <exception cref="IOException">The files could not be written.</exception>
    public async Task<Snapshot> MakeAsync(ISnapshottingEngine engine, MachineKind kind, CancellationToken cancellationToken)
    {
        // One at a time on this host, whatever the kind: making them must not starve jobs.
        await using var site = await BuildSite.EnterAsync(store.Folder, SiteName, static () => { }, time, cancellationToken);
        var key = await SnapshotKey.ForAsync(engine, kind, cancellationToken);
        if (store.Find(key).Snapshot is { } ready) return ready;
        try
        {
            CheckRoom(kind);
            var folder = Directory.CreateDirectory(Path.Combine(site.Folder, key.Name)).FullName;
            await FillAsync(engine, kind, key, folder, cancellationToken);
            return store.Publish(key, folder);
        }
        catch (Exception e) when (e is MachineException or GuestFailedException or ProtocolException or IOException or UserException)
        {
            store.MarkFailed(key, e.Message);
            throw;
        }
    }

    private async Task FillAsync(ISnapshottingEngine engine, MachineKind kind, SnapshotKey key, string folder, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(Limit, time);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        // The lease makes the machine known to the sweep, should we be killed.
        await using var lease = ledger.Take($"snapshot-{key.Name}");
        var scratch = Snapshot.ScratchIn(folder);
        await disks.CreateAsync(scratch, kind.DiskBytes, patience.Token);
        try
        {
            await using var machine = await engine.StartForSnapshotAsync(kind.ToSpec(lease.JobId, lease.Directory, scratch), Snapshot.FilesIn(folder), patience.Token);
            lease.Record(JobPhase.Booting, machine.ProcessId);
            await using var guest = await GuestSession.ConnectAsync(machine.GuestStream, RefuseAsync, patience.Token);
            await guest.FreezeAsync(new() { Workspace = StepPlan.Workspace, Network = kind.Network, Shell = StepPlan.DefaultCandidates }, patience.Token);
            await WarmUp.RunAsync(guest, time, patience.Token);
            await Quiet.WaitAsync(machine.ProcessId, time, patience.Token);
            await machine.SaveAsync(patience.Token);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new MachineException($"The machine was not ready to be laid down within {Limit.TotalMinutes} minutes.");
        }
    }

    private static Task RefuseAsync(GuestChannel channel, CancellationToken cancellationToken)
    {
        channel.Reset("This machine is no job's.");
        return Task.CompletedTask;
    }

    /// <summary>The memory file is filled by way of a mapping: a full disk there would be a signal, not an error.</summary>
    private void CheckRoom(MachineKind kind)
    {
        var free = new DriveInfo(store.Folder).AvailableFreeSpace;
        var wanted = ((long)kind.MemoryMib << 20) + SpareBytes;
        if (free < wanted)
            throw new IOException($"Cannot make a snapshot in {store.Folder}: it may take {wanted >> 20} MiB with what is kept free, and there are {free >> 20} MiB.");
    }
}
