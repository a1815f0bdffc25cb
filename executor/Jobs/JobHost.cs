using RunnerVm.Egress;
using RunnerVm.Images;
using RunnerVm.Leases;
using RunnerVm.Leases.Warm;
using RunnerVm.Logs;
using RunnerVm.Machines;
using RunnerVm.Snapshots;
using RunnerVm.Store;

namespace RunnerVm.Jobs;

/// <summary>What a host lends to every job it runs; made once, shared by all.</summary>
internal sealed class JobHost
{
    /// <summary>A cold boot takes 2 s on a software CPU; a host with eight of them at once and a slow disk needs more.</summary>
    public static readonly TimeSpan DefaultBootTimeout = TimeSpan.FromSeconds(90);

    public required DataDirectory Data { get; init; }

    public required RunLedger Ledger { get; init; }

    /// <summary>Makes a job's kernel, initramfs and root image ready; see <see cref="MachineFileStore.PrepareAsync"/>.</summary>
    public required Func<Job, JobLog, CancellationToken, Task<MachineFiles>> PrepareFiles { get; init; }

    public required ScratchDisks ScratchDisks { get; init; }

    public required IMachineEngine Engine { get; init; }

    /// <summary>Null where every machine boots.</summary>
    public SnapshotShelf? Snapshots { get; init; }

    /// <summary>Null where no machine waits for jobs.</summary>
    public WarmShelf? Warm { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>Told how long each phase of each job took.</summary>
    public Action<JobPhase, TimeSpan> PhaseEnded { get; init; } = static (_, _) => { };

    public EgressOptions EgressOptions { get; init; } = new();

    public TimeSpan BootTimeout { get; init; } = DefaultBootTimeout;

    /// <summary>A restore takes 0.1 s on a software CPU; of fifty at once on two processors the last takes some seconds.</summary>
    public TimeSpan RestoreTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Where artifacts go when the caller names no folder: one of the job's own in the data directory.</summary>
    public string? ArtifactsPath { get; init; }

    public string ArtifactFolder(Job job) => ArtifactsPath ?? Path.Join(Data.Artifacts, job.Id);

    public JobEgress OpenEgress(Job job, JobLog log) => new(job, log, EgressOptions, Path.Join(Data.Logs, $"{job.Id}.egress.jsonl"), Time);
}
