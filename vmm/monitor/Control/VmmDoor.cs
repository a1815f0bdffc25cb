using RunnerVm.Vmm.Monitor.Logging;
using RunnerVm.Vmm.Monitor.Metrics;
using RunnerVm.Vmm.Monitor.Mmds;

namespace RunnerVm.Vmm.Monitor.Control;

/// <summary>
/// The one door into the virtual machine: an action goes in, an answer or a refusal comes out. It knows which of the two
/// controllers is in charge.
/// </summary>
internal sealed class VmmDoor(EventLoop loop, PreBootController preBoot, MmdsDataStore metadata, MetricRegistry metrics, ModuleLog log) : IDisposable
{
    private readonly object _gate = new();
    private RuntimeController? _runtime;
    private bool _closed;

    /// <summary>Any thread but the event loop: has <paramref name="action"/> run there and waits for what comes of it.</summary>
    /// <returns>False when the loop has ended, and with it the machine.</returns>
    public bool TryCall(VmmAction action, out VmmAnswer? answer, out VmmFaultException? fault)
    {
        VmmAnswer? given = null;
        VmmFaultException? refused = null;
        loop.Post(() =>
        {
            var (result, refusal) = RunOrRefuse(action);
            lock (_gate)
            {
                (given, refused) = (result, refusal);
                System.Threading.Monitor.PulseAll(_gate);
            }
        });
        lock (_gate)
        {
            while (given is null && refused is null && !_closed) System.Threading.Monitor.Wait(_gate);
            (answer, fault) = (given, refused);
            return given is not null || refused is not null;
        }
    }

    /// <summary>The loop has ended: who waits is told, and nobody waits again.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
            System.Threading.Monitor.PulseAll(_gate);
        }
    }

    /// <summary>On the event loop.</summary>
    /// <exception cref="VmmFaultException">Refused; nothing has changed.</exception>
    public VmmAnswer Run(VmmAction action)
    {
        if (action is VmmAction.NotHere notHere) throw new VmmFaultException(notHere.Reason);
        if (_runtime is { } runtime) return runtime.Run(action);
        var answer = preBoot.Run(action);
        if (preBoot.Machine is { } machine)
        {
            _runtime = new RuntimeController(machine, preBoot.Resources, metadata, metrics);
            metrics.Start(loop);
            log.Info("The machine has started.");
        }

        return answer;
    }

    /// <summary>The machine, if one was started. After the loop has ended.</summary>
    public void Dispose() => preBoot.Machine?.Dispose();

    private (VmmAnswer? Answer, VmmFaultException? Refusal) RunOrRefuse(VmmAction action)
    {
        try
        {
            return (Run(action), null);
        }
        catch (VmmFaultException refusal)
        {
            return (null, refusal);
        }
    }
}
