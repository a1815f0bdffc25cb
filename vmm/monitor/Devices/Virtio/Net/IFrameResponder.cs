namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Net;

/// <summary>
/// Who answers some of the guest's frames itself, so that they never reach the host's network: the metadata service. Frames
/// are Ethernet's, without the virtio header. Under the device's lock.
/// </summary>
internal interface IFrameResponder
{
    /// <summary>When <see cref="TryTake"/> may have something though no frame came; a timestamp of the device's clock.</summary>
    long? Due { get; }

    /// <summary>Whether a frame that begins so is ours.</summary>
    /// <param name="head">At most <see cref="NetDevice.HeadBytes"/> bytes.</param>
    bool Claims(ReadOnlySpan<byte> head);

    /// <summary>A frame we claimed, whole. It is believed as little as anything else of the guest's.</summary>
    void Deliver(ReadOnlySpan<byte> frame);

    /// <summary>The next frame for the guest.</summary>
    /// <param name="into">Room for the largest frame we may send.</param>
    bool TryTake(Span<byte> into, out int length);

    /// <summary>The guest's driver is gone; so are its connections.</summary>
    void Reset();
}
