namespace RunnerVm.Vmm.Monitor.Devices.Legacy;

/// <summary>What the guest did with a device on I/O ports. Written under the device's lock.</summary>
internal sealed class LegacyCounters
{
    /// <summary>Bytes it got.</summary>
    public long Reads { get; set; }

    /// <summary>Reads where there was nothing.</summary>
    public long MissedReads { get; set; }

    public long Writes { get; set; }

    /// <summary>Writes to a register that takes none.</summary>
    public long MissedWrites { get; set; }

    /// <summary>Times the reset line was pulled.</summary>
    public long Resets { get; set; }
}
