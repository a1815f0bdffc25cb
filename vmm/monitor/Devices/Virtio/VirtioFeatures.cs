namespace RunnerVm.Vmm.Monitor.Devices.Virtio;

/// <summary>Feature bits that belong to no device type (virtio 1.2, 6): the transport's to offer.</summary>
internal static class VirtioFeatures
{
    /// <summary>VIRTIO_F_INDIRECT_DESC</summary>
    public const int IndirectDescriptors = 28;

    /// <summary>VIRTIO_F_EVENT_IDX</summary>
    public const int EventIndex = 29;

    /// <summary>VIRTIO_F_VERSION_1; without it a driver is of the time before the standard, and refused.</summary>
    public const int Version1 = 32;

    public const ulong OfTransport = (1ul << IndirectDescriptors) | (1ul << EventIndex) | (1ul << Version1);
}
