using System.Runtime.InteropServices;
using RunnerVm.Guests;

namespace RunnerVm.Commands;

/// <summary>Ctrl-C, SIGTERM and a closed terminal: the first asks the job to stop, the second ends its machine at once.</summary>
internal sealed class StopSignals : IDisposable
{
    private readonly List<PosixSignalRegistration> _registrations = [];
    private int _wishes;

    private StopSignals(StopRequest stop)
    {
        foreach (var signal in new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP })
        {
            _registrations.Add(PosixSignalRegistration.Create(signal, context =>
            {
                context.Cancel = true;
                if (Interlocked.Increment(ref _wishes) == 1) stop.Ask();
                else stop.Abandon();
            }));
        }
    }

    public static StopSignals Attach(StopRequest stop) => new(stop);

    public void Dispose()
    {
        foreach (var registration in _registrations) registration.Dispose();
    }
}
