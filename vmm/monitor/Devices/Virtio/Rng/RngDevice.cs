using RunnerVm.Vmm.Monitor.Configuration;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.RateLimiting;
using RunnerVm.Vmm.Monitor.Snapshots;
using RunnerVm.Vmm.Native.Handles;

namespace RunnerVm.Vmm.Monitor.Devices.Virtio.Rng;

/// <summary>Entropy of the host's kernel for the guest's (virtio 1.2, 5.4).</summary>
internal sealed class RngDevice(Entropy configuration, TimeProvider? clock = null) : IVirtioDevice
{
    /// <summary>
    /// A driver may offer gigabytes and has to take what it gets (5.4.6.1); Linux asks for 64 bytes. As in Firecracker.
    /// </summary>
    public const uint MostBytes = 64 * 1024;

    private readonly DescriptorChain _chain = new();
    private readonly RateLimiter _limiter = new(configuration.RateLimiter, clock);
    private DeviceActivation? _activation;
    private Watch? _timerWatch;

    public string Name => "entropy";

    public uint Type => 4;

    public ulong Features => 0;

    public IReadOnlyList<ushort> QueueSizes { get; } = [256];

    public RngCounters Counters { get; } = new();

    /// <summary>There is no configuration space (5.4.4).</summary>
    public void ReadConfig(uint offset, Span<byte> into)
    {
    }

    public void WriteConfig(uint offset, ReadOnlySpan<byte> from)
    {
    }

    public void Activate(DeviceActivation activation)
    {
        _activation = activation;
        _timerWatch = activation.Host.Watch(_limiter.Timer, EpollEvents.Readable, _ =>
        {
            _limiter.OnTimer();
            Serve();
        });
    }

    public void OnQueueNotified(int queue) => Serve();

    /// <summary>It knows nothing.</summary>
    public void Save(StateWriter into)
    {
    }

    public void Restore(ref StateReader from)
    {
    }

    public void Reset()
    {
        _timerWatch?.Dispose();
        _limiter.Forget();
        (_timerWatch, _activation) = (null, null);
    }

    public void Dispose()
    {
        Reset();
        _limiter.Dispose();
    }

    private void Serve()
    {
        if (_activation is not { } activation || _limiter.IsBlocked) return;
        var queue = activation.Queues[0];
        for (var left = queue.Size; queue.TryPop(_chain); left--)
        {
            if (left == 0)
            {
                queue.UndoPop();
                activation.Host.NotifyAgain(0);
                break;
            }

            var wanted = Math.Min(_chain.Writable.Length, MostBytes);
            if (!_limiter.TryConsume(wanted))
            {
                Counters.Throttled++;
                queue.UndoPop();
                break;
            }

            queue.Push(_chain.Head, Fill(wanted));
        }

        queue.NotifyDriver();
    }

    /// <summary>5.4.6.1 lets the driver offer only what may be written; what it let us read is no request.</summary>
    private uint Fill(uint wanted)
    {
        Counters.Requests++;
        var filled = _chain.Readable.Length == 0 ? _chain.Writable.FillRandom(wanted) : -1;
        if (filled < 0)
        {
            Counters.Failures++;
            return 0;
        }

        Counters.Bytes += filled;
        return (uint)filled;
    }
}

/// <summary>What the entropy device did since the start. Written on the event loop.</summary>
internal sealed class RngCounters
{
    public long Requests { get; set; }

    public long Bytes { get; set; }

    /// <summary>Requests that were none, or that the host had nothing for.</summary>
    public long Failures { get; set; }

    public long Throttled { get; set; }
}
