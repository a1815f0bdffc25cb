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
    /// <summary>Deep enough for a device's deepest call, and the runtime's own needs.</summary>
    private const int StackBytes = 256 * 1024;

    private readonly KvmVcpu _kvm;
    private readonly IoBus _ports;
    private readonly IoBus _mmio;
    private readonly Action<GuestEnd> _ended;
    private readonly Action? _confine;
    private readonly Thread _thread;
    private readonly object _lock = new();
    private ThreadKick? _kick;
    private VcpuState _state = VcpuState.Paused;
    private volatile VcpuState _wanted = VcpuState.Paused;

    /// <param name="kvm">Taken over.</param>
    /// <param name="ended">Called on the thread, at most once, when the guest is over.</param>
    /// <param name="confine">Called on the thread once, before the guest first runs.</param>
    public Vcpu(int index, KvmVcpu kvm, IoBus ports, IoBus mmio, Action<GuestEnd> ended, Action? confine = null)
    {
        (Index, _kvm, _ports, _mmio, _ended, _confine) = (index, kvm, ports, mmio, ended, confine);
        _thread = new Thread(Live, StackBytes) { Name = $"vcpu {index}", IsBackground = true };
    }

    public int Index { get; }

    /// <summary>For its registers, before <see cref="Start"/> and while it is paused.</summary>
    public KvmVcpu Kvm => _kvm;

    /// <summary>Exits to us so far, for figures.</summary>
    public long Exits { get; private set; }

    public VcpuCounters Counters { get; } = new();

    /// <summary>Starts the thread, which stays paused.</summary>
    public void Start()
    {
        lock (_lock)
        {
            _thread.Start();
            while (_kick is null) Condition.Wait(_lock);
        }
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
        if (wanted != VcpuState.Running) _kick?.Send();
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
        if (_kick is not null)
        {
            Ask(VcpuState.Exited);
            _thread.Join();
        }

        _kvm.Dispose();
    }

    private void Live()
    {
        using var kick = new ThreadKick();
        _kvm.SetSignalMask(kick.OpenMask);
        lock (_lock)
        {
            _kick = kick;
            Condition.PulseAll(_lock);
        }

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
