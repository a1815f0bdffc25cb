namespace RunnerVm.Vmm.Monitor.Machine;

/// <summary>Why there is no guest any more.</summary>
/// <param name="ExitCode">Of this program.</param>
/// <param name="Sentence">For the log.</param>
internal sealed record GuestEnd(int ExitCode, string Sentence)
{
    /// <summary>The guest reset the machine or switched it off: what it was asked to do. As in Firecracker.</summary>
    public const int Clean = 0;

    /// <summary>KVM refused to go on. Firecracker's code for it.</summary>
    public const int KvmFailed = 1;

    /// <summary>A driver in the guest broke a device beyond repair.</summary>
    public const int DeviceBroken = 3;

    public static GuestEnd Off { get; } = new(Clean, "The guest switched the machine off.");

    public static GuestEnd Reset(string by) => new(Clean, $"The guest reset the machine ({by}).");
}
