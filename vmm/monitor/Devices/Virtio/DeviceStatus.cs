namespace RunnerVm.Vmm.Monitor.Devices.Virtio;

/// <summary>
/// How far driver and device have come with each other (virtio 1.2, 2.1). The driver sets bits in this order and clears them
/// only all at once, by a reset; the device leaves out what it does not agree with.
/// </summary>
/// <remarks><code>
/// Reset --ACKNOWLEDGE--> Acknowledged --DRIVER--> DriverFound --FEATURES_OK--> FeaturesAgreed --DRIVER_OK--> Running
///   ^                                                 any state + FAILED: the driver gave up                    |
///   +----------- 0, from anywhere ----------          any state + NEEDS_RESET: the device gave up              -+
/// </code></remarks>
[Flags]
internal enum DeviceStatus : byte
{
    Reset = 0,
    Acknowledge = 1,
    Driver = 2,
    DriverOk = 4,
    FeaturesOk = 8,
    NeedsReset = 0x40,
    Failed = 0x80,

    Acknowledged = Acknowledge,
    DriverFound = Acknowledge | Driver,
    FeaturesAgreed = DriverFound | FeaturesOk,
    Running = FeaturesAgreed | DriverOk,
}

internal static class DeviceStatusTransitions
{
    private const DeviceStatus Steps = DeviceStatus.Running;
    private const DeviceStatus GivenUp = DeviceStatus.Failed | DeviceStatus.NeedsReset;

    /// <summary>Where the device is after the driver wrote <paramref name="written"/>. Every pair has an answer.</summary>
    /// <param name="featuresAcceptable">Whether FEATURES_OK may be set now; else it stays clear, which the driver is to notice.</param>
    public static DeviceStatus Next(this DeviceStatus status, DeviceStatus written, bool featuresAcceptable)
    {
        if (written == DeviceStatus.Reset) return DeviceStatus.Reset;
        if ((written & DeviceStatus.Failed) != 0) return status | DeviceStatus.Failed;
        // After giving up only a reset leads anywhere; a bit that is taken back is a driver's mistake and changes nothing.
        if ((status & GivenUp) != 0 || (status & ~written) != 0) return status;

        var next = status;
        foreach (var (from, step) in Order)
        {
            if ((written & step) == 0 || (next & step) != 0) continue;
            if ((next & Steps) != from || (step == DeviceStatus.FeaturesOk && !featuresAcceptable)) return next;
            next |= step;
        }

        return next;
    }

    /// <summary>Whether any sequence of writes leads there.</summary>
    public static bool IsPossible(this DeviceStatus status) =>
        (status & ~GivenUp) is DeviceStatus.Reset or DeviceStatus.Acknowledged or DeviceStatus.DriverFound or DeviceStatus.FeaturesAgreed or DeviceStatus.Running;

    /// <summary>Requests are served.</summary>
    public static bool IsRunning(this DeviceStatus status) => status == DeviceStatus.Running;

    /// <summary>The driver may say where the queues are (virtio 1.2, 3.1.1, step 7).</summary>
    public static bool IsConfiguringQueues(this DeviceStatus status) => status == DeviceStatus.FeaturesAgreed;

    /// <summary>The driver may say what it understands (virtio 1.2, 3.1.1, step 4).</summary>
    public static bool IsNegotiating(this DeviceStatus status) => status == DeviceStatus.DriverFound;

    private static readonly (DeviceStatus From, DeviceStatus Step)[] Order =
    [
        (DeviceStatus.Reset, DeviceStatus.Acknowledge),
        (DeviceStatus.Acknowledged, DeviceStatus.Driver),
        (DeviceStatus.DriverFound, DeviceStatus.FeaturesOk),
        (DeviceStatus.FeaturesAgreed, DeviceStatus.DriverOk),
    ];
}
