namespace RunnerVm.Store;

/// <summary>What this host's disk can still take, whatever a guest sends.</summary>
internal static class HostRoom
{
    /// <summary>Kept free in any case.</summary>
    private const long Reserve = 512L << 20;

    /// <param name="folder">An existing folder on the disk in question.</param>
    /// <param name="most">What would be taken of a disk without end.</param>
    public static long Bytes(string folder, long most) => Math.Clamp(new DriveInfo(folder).AvailableFreeSpace - Reserve, 0, most);
}
