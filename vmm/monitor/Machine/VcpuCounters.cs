namespace RunnerVm.Vmm.Monitor.Machine;

/// <summary>Why a vCPU left its guest, for the metrics. Written on its thread.</summary>
internal sealed class VcpuCounters
{
    public long PortReads { get; set; }

    public long PortWrites { get; set; }

    public long MmioReads { get; set; }

    public long MmioWrites { get; set; }

    /// <summary>Exits after which there was no way on.</summary>
    public long Failures { get; set; }
}
