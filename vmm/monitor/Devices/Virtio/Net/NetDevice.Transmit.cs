using RunnerVm.Vmm.Native.Handles;
using RunnerVm.Vmm.Native.Memory;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Net;

/// <summary>The guest's frames: to the responder what it claims, everything else to the TAP device as it is.</summary>
internal sealed partial class NetDevice
{
    /// <summary>The longest frame that can be for a responder: no offload makes its peers send more.</summary>
    private const int LongestClaimed = 65536;

    private byte[]? _claimed;

    private void ServeTransmit()
    {
        if (_activation is not { } activation || _transmitLimiter.IsBlocked) return;
        var queue = activation.Queues[Transmit];
        var left = Share;
        while (queue.TryPop(_chain))
        {
            if (left-- == 0)
            {
                queue.UndoPop();
                activation.Host.NotifyAgain(Transmit);
                break;
            }

            if (!TrySend(_chain.Readable))
            {
                queue.UndoPop();
                break;
            }

            queue.Push(_chain.Head, 0);
        }

        queue.NotifyDriver();
    }

    /// <returns>False when the frame has to wait for its tokens.</returns>
    private bool TrySend(GuestBuffers frame)
    {
        if (frame.Length is <= TapDevice.HeaderBytes or > LongestFrame)
        {
            Counters.Malformed++;
            return true;
        }

        // The guest may change the frame after this look. What it gains is what it could have sent at once: a frame to the
        // TAP device, which the host filters if anything must be filtered.
        Span<byte> head = stackalloc byte[HeadBytes];
        head = head[..frame.CopyTo(TapDevice.HeaderBytes, head)];
        if (_responder?.Claims(head) is true)
        {
            Claim(frame);
            return true;
        }

        if (!_transmitLimiter.TryConsume(frame.Length))
        {
            Counters.TransmitThrottled++;
            return false;
        }

        if (_mac is { } mac && head.Length >= 2 * MacAddress.Bytes && MacAddress.Read(head[MacAddress.Bytes..]) != mac) Counters.SpoofedMac++;
        Send(frame);
        return true;
    }

    /// <summary>What the TAP device does not take is lost, as on any wire.</summary>
    private void Send(GuestBuffers frame)
    {
        if (frame.WriteTo(_tap.Descriptor) < 0)
        {
            Counters.WriteFailures++;
            return;
        }

        Counters.TransmittedFrames++;
        Counters.TransmittedBytes += frame.Length;
    }

    private void Claim(GuestBuffers frame)
    {
        _claimed ??= new byte[LongestClaimed];
        _responder!.Deliver(_claimed.AsSpan(0, frame.CopyTo(TapDevice.HeaderBytes, _claimed)));
    }
}
