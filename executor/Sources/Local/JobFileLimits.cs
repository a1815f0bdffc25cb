namespace RunnerVm.Sources.Local;

/// <summary>What a job may ask for, in its file or on the command line. <c>config/job.schema.json</c> names the same.</summary>
internal static class JobFileLimits
{
    public const int LeastCpus = 1;

    public const int MostCpus = 32;

    /// <summary>Bytes. A kernel and the agent need about half of it.</summary>
    public const long LeastMemory = 128L << 20;

    /// <summary>Bytes.</summary>
    public const long MostMemory = 1L << 40;

    /// <summary>Bytes.</summary>
    public const long LeastDisk = 64L << 20;

    /// <summary>Bytes. ext4 has no larger files, and the scratch disk is one.</summary>
    public const long MostDisk = 16L << 40;

    public static TimeSpan ShortestTimeout { get; } = TimeSpan.FromSeconds(1);

    /// <summary>Timers of the runtime end at 49 days.</summary>
    public static TimeSpan LongestTimeout { get; } = TimeSpan.FromDays(30);

    /// <summary>Memory comes in whole mebibytes; a part of one is rounded up.</summary>
    public static int MebibytesOf(long bytes) => (int)((bytes + (1 << 20) - 1) >> 20);
}
