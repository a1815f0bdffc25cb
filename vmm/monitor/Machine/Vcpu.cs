using RunnerVm.Vmm.Monitor.Bus;
using RunnerVm.Vmm.Monitor.Devices.Virtio;
using RunnerVm.Vmm.Native;
using RunnerVm.Vmm.Native.Kvm;
using RunnerVm.Vmm.Native.Threads;
using Condition = System.Threading.Monitor;

namespace RunnerVm.Vmm.Monitor.Machine;

/// <summary>
/// One virtual CPU and its thread. The thread is in one of three states, each a method that returns the next:
/// <code>
///   Paused ⇄ Running
///      \       /
///       Exited         asked to, or the guest is over
/// </code>
/// </summary>
/// <remarks>Asked from the event loop; the thread answers. Begins paused.</remarks>
internal sealed partial class Vcpu : IDisposable
{
    private readonly KvmVcpu _kvm;
    private readonly IoBus _ports;
    private readonly IoBus _mmio;
    private readonly Action<GuestEnd> _ended;
    private readonly Action? _confine;
    private readonly VcpuThread _thread;
    private readonly object _lock = new();
    private VcpuState _state = VcpuState.Paused;
    private volatile VcpuState _wanted = VcpuState.Paused;

    /// <param name="kvm">Taken over.</param>
    /// <param name="thread">To live on; taken over.</param>
    /// <param name="ended">Called on the thread, at most once, when the guest is over.</param>
    /// <param name="confine">Called on the thread once, before the guest first runs.</param>
    public Vcpu(int index, KvmVcpu kvm, VcpuThread thread, IoBus ports, IoBus mmio, Action<GuestEnd> ended, Action? confine = null)
    {
        (Index, _kvm, _thread, _ports, _mmio, _ended, _confine) = (index, kvm, thread, ports, mmio, ended, confine);
    }

    public int Index { get; }

    /// <summary>For its registers, before <see cref="Start"/> and while it is paused.</summary>
    public KvmVcpu Kvm => _kvm;

    /// <summary>Exits to us so far, for figures.</summary>
    public long Exits { get; private set; }

    public VcpuCounters Counters { get; } = new();

    /// <summary>Begins to live, paused.</summary>
    public void Start()
    {
        _kvm.SetSignalMask(_thread.Kick.OpenMask);
        _thread.Begin(Live);
    }

    /// <summary>Asks only; <see cref="WaitUntil"/> waits.</summary>
    public void Ask(VcpuState wanted)
    {
        lock (_lock)
        {
            if (_wanted == VcpuState.Exited) return;
            _wanted = wanted;
            Condition.PulseAll(_lock);
        }

        // A pending kick ends KVM_RUN even when it is sent before the thread gets there.
        if (wanted != VcpuState.Running) _thread.Kick.Send();
    }

    /// <summary>Returns once the thread is in this state, or is over.</summary>
    public void WaitUntil(VcpuState state)
    {
        lock (_lock)
        {
            while (_state != state && _state != VcpuState.Exited) Condition.Wait(_lock);
        }
    }

    /// <summary>Ends the thread and frees the virtual CPU. Not on the thread itself.</summary>
    public void Dispose()
    {
        Ask(VcpuState.Exited);
        _thread.Dispose();
        _kvm.Dispose();
    }

    private void Live()
    {
        var state = StayPaused();
        if (state == VcpuState.Running) state = Confine();
        while (state != VcpuState.Exited) state = state == VcpuState.Paused ? StayPaused() : RunGuest();
        Enter(VcpuState.Exited);
    }

    private VcpuState StayPaused()
    {
        lock (_lock)
        {
            Enter(VcpuState.Paused);
            while (_wanted == VcpuState.Paused) Condition.Wait(_lock);
            return _wanted;
        }
    }

    private VcpuState Confine()
    {
        try
        {
            _confine?.Invoke();
            return VcpuState.Running;
        }
        catch (LinuxException e)
        {
            _ended(new(GuestEnd.KvmFailed, e.Message));
            return VcpuState.Exited;
        }
    }

    private VcpuState RunGuest()
    {
        Enter(VcpuState.Running);
        try
        {
            while (_wanted == VcpuState.Running)
            {
                if (!_kvm.TryRun(out var exit))
                {
                    ThreadKick.TryConsume();
                    continue;
                }

                Exits++;
                if (Handle(exit) is not { } end) continue;
                _ended(end);
                return VcpuState.Exited;
            }

            _kvm.CompleteExit();
        }
        catch (BrokenDeviceException e)
        {
            _ended(new(GuestEnd.DeviceBroken, e.Message));
            return VcpuState.Exited;
        }
        catch (LinuxException e)
        {
            _ended(new(GuestEnd.KvmFailed, e.Message));
            return VcpuState.Exited;
        }

        return _wanted;
    }

    private void Enter(VcpuState state)
    {
        lock (_lock)
        {
            _state = state;
            Condition.PulseAll(_lock);
        }
    }
}

internal enum VcpuState
{
    Paused,
    Running,
    Exited,
}
