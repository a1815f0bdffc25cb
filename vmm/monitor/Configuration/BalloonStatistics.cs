namespace RunnerVm.Vmm.Monitor.Configuration;

/// <summary>/balloon/statistics; what the guest did not tell is null. Memory in bytes unless the name says otherwise.</summary>
internal sealed record BalloonStatistics
{
    public required ulong TargetPages { get; init; }

    public required ulong ActualPages { get; init; }

    public required ulong TargetMib { get; init; }

    public required ulong ActualMib { get; init; }

    public ulong? SwapIn { get; init; }

    public ulong? SwapOut { get; init; }

    public ulong? MajorFaults { get; init; }

    public ulong? MinorFaults { get; init; }

    public ulong? FreeMemory { get; init; }

    public ulong? TotalMemory { get; init; }

    public ulong? AvailableMemory { get; init; }

    public ulong? DiskCaches { get; init; }

    public ulong? HugetlbAllocations { get; init; }

    public ulong? HugetlbFailures { get; init; }

    public ulong? OomKill { get; init; }

    public ulong? AllocStall { get; init; }

    public ulong? AsyncScan { get; init; }

    public ulong? DirectScan { get; init; }

    public ulong? AsyncReclaim { get; init; }

    public ulong? DirectReclaim { get; init; }
}
